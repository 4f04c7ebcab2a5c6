"""A command on somebody's machine stands in the audit log where one is set, and is refused where it cannot."""

import json

import boto3

GROUP = "/borealis-test/commands"
AWS = {"audit_log_group": GROUP, "region": "eu-central-1"}


def lines():
    events = boto3.client("logs").filter_log_events(logGroupName=GROUP)["events"]
    return [json.loads(event["message"]) for event in events]


async def test_who_ran_or_rolled_back_what_is_told_and_nothing_runs_that_cannot_be_told(engine, borealis, aws):
    await engine.source("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    values = {**engine.values({"name": "public.t"}), "aws": AWS}
    refused = borealis(values, "run")
    assert refused.code == 1
    assert "without its audit log nothing is run" in refused.log
    assert engine.warehouse.query(f"SHOW DATABASES LIKE '{engine.database}'") == []
    boto3.client("logs").create_log_group(logGroupName=GROUP)
    for _ in range(2):
        assert borealis(values, "run", "public.t").code == 0
    rolled = borealis(values, "rollback", "public.t")
    assert rolled.code == 0, rolled.log
    told = [(line["event"], line["command"], line.get("status")) for line in lines()]
    assert told == [("asked", "run", None), ("ended", "run", "COMPLETE")] * 2 + [
        ("asked", "rollback", None), ("ended", "rollback", "COMPLETE")
    ]  # fmt: skip
    first, last = lines()[1], lines()[-1]
    assert first["trigger"]["kind"] == "command"
    assert first["trigger"]["host"]
    assert [(each["table"], each["rows_loaded"]) for each in first["tables"]] == [("public.t", 1)]
    assert last["run_id"] == rolled.output["tables"][0]["run_id"]
