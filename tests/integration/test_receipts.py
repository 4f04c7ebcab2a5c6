"""What a receipt proves later: that it is unchanged, whose key signed it, and that the target is still what it says."""

import copy
import json
import re

import boto3
import pytest

from engine import config as settings
from engine import runs
from engine.errors import RefusedError
from engine.receipts import audit, receipts_in
from engine.seal import canonical, digest_of
from engine.wiring import Wanted

CHECKSUM = {"name": "public.t", "verify": "checksum"}
MADE = """
    CREATE TABLE t (id int PRIMARY KEY, name text, at timestamptz NOT NULL DEFAULT '2026-01-01Z', n numeric(12,2),
      tags text[] DEFAULT '{a,b}', doc jsonb DEFAULT '[1, 2, 3]');
    INSERT INTO t (id, name, n) SELECT n, 'name ' || n, n / 7.0 FROM generate_series(1, 500) AS n"""
INCREMENTAL = {"name": "public.t", "mode": "incremental", "cursor": "at", "cursor_lag_s": 0, "verify": "checksum"}


def told(receipt) -> dict:
    """As `run --json` prints it and a person keeps it."""
    return json.loads(canonical_file(receipt))["tables"][0]


def canonical_file(receipt) -> str:
    return json.dumps({"tables": [{name: getattr(receipt, name) for name in receipt.__dataclass_fields__}]})


async def verdicts(engine, receipt, key=None, **sections) -> dict[str, str]:
    """Verdict by what was checked."""
    (audited,) = await audit(engine.config(CHECKSUM, **sections), [receipt], key)
    assert audited.ok == all(check.verdict != "differs" for check in audited.checks)
    return {check.what: check.verdict for check in audited.checks}


GOOD = dict.fromkeys(["digest", "plan", "files", "table", "run", "rows", "checksum"], "ok")


async def test_a_receipt_tells_what_was_read_where_and_how_and_is_found_true(engine, query):
    await engine.source(MADE)
    receipt = told(await engine.run_one(CHECKSUM))
    ((system, version),) = await query(
        engine.dsn, "SELECT system_identifier::text, current_setting('server_version') FROM pg_control_system()"
    )
    snapshot = receipt["snapshot"]
    assert snapshot["system"] == system
    assert snapshot["database"] == engine.dsn.rpartition("/")[2]
    assert re.fullmatch(r"[0-9A-F]+/[0-9A-F]+", snapshot["lsn"])
    assert snapshot["node"].startswith("127.0.0.1:")
    assert receipt["versions"]["postgresql"] == version.split()[0]
    ((chunk, rows, ((name, size, digest),)),) = receipt["files"]["chunks"]
    assert (chunk, rows, size) == (1, 500, receipt["bytes_staged"])
    assert name.startswith(receipt["run_id"])
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert await verdicts(engine, receipt) == {**GOOD, "signature": "cannot tell"}


async def test_a_changed_character_anywhere_is_found(engine):
    await engine.source(MADE)
    receipt = told(await engine.run_one(CHECKSUM))
    for name in receipt.keys() - {"seal"}:
        forged = copy.deepcopy(receipt)
        forged[name] = {"x": 1} if isinstance(forged[name], dict) else ["x"] if isinstance(forged[name], list) else "7"
        assert digest_of(forged) != receipt["seal"]["digest"], name
    found = await verdicts(engine, {**receipt, "rows_loaded": 501})
    assert found["digest"] == "differs"
    assert found["rows"] == "cannot tell"


@pytest.mark.parametrize(
    ("damage", "differ"),
    [
        ('DELETE FROM {t} WHERE "ID" = 7', {"rows", "checksum"}),
        ('UPDATE {t} SET "NAME" = \'other\' WHERE "ID" = 7', {"checksum"}),
        ('UPDATE {t} SET "N" = "N" + 0.01 WHERE "ID" = 7', {"checksum"}),
        ("DROP TABLE {t}", {"table"}),
        ('UPDATE {ledger} SET "ROWS" = "ROWS" + 1', {"files"}),
        ("DELETE FROM {ledger}", {"files"}),
        ("COMMENT ON TABLE {t} IS '[borealis run 20200101T000000ABCDEF_1]'", {"run"}),
    ],
)  # fmt: skip
async def test_what_was_changed_at_the_target_since_is_found(engine, damage, differ):
    await engine.source(MADE)
    receipt = told(await engine.run_one(CHECKSUM))
    engine.target(damage.format(t='{db}."SHOP"."T"', ledger='{db}."BOREALIS"."LEDGER"'))
    found = await verdicts(engine, receipt)
    assert {what for what, verdict in found.items() if verdict == "differs"} == differ


async def test_a_table_that_a_later_run_replaced_is_superseded_and_not_wrong(engine):
    await engine.source(MADE)
    first = told(await engine.run_one(INCREMENTAL))
    await engine.source("INSERT INTO t VALUES (501, 'new', '2026-02-01Z', 1)")
    second = told(await engine.run_one(INCREMENTAL))
    (audited,) = await audit(engine.config(INCREMENTAL), [first])
    assert audited.ok
    (run,) = [check for check in audited.checks if check.what == "run"]
    assert (run.verdict, run.why) == ("cannot tell", f"superseded by run {second['run_id']}")
    found = await verdicts(engine, second)
    assert (found["run"], found["files"], found["rows"], found["checksum"]) == ("ok", "ok", *["cannot tell"] * 2)


async def test_a_first_load_that_left_rows_out_is_found_true(engine):
    await engine.source(MADE, "ALTER TABLE t ADD gone bool NOT NULL DEFAULT false", "UPDATE t SET gone = id < 10")
    table = {**INCREMENTAL, "deletes": "soft", "soft_column": "gone"}
    receipt = told(await engine.run_one(table))
    assert receipt["verification"]["left_out"] == 9
    found = await verdicts(engine, receipt)
    assert (found["run"], found["rows"], found["checksum"]) == ("ok", "ok", "cannot tell")


async def test_a_ledger_of_an_older_engine_gets_the_column_that_it_lacks(engine):
    await engine.source(MADE)
    await engine.run_one(CHECKSUM)
    engine.target('ALTER TABLE {db}."BOREALIS"."LEDGER" DROP COLUMN "MANIFEST"')
    engine.target('COMMENT ON TABLE {db}."BOREALIS"."LEDGER" IS \'\'')
    receipt = told(await engine.run_one(CHECKSUM))
    assert await verdicts(engine, receipt) == {**GOOD, "signature": "cannot tell"}


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "RSA_2048"])
async def test_a_signature_holds_for_its_key_alone(engine, aws, spec):
    kms = boto3.client("kms")
    mine, other = (kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"] for _ in range(2))
    await engine.source(MADE)
    values = {**engine.values(CHECKSUM), "aws": {"signing_key": mine, "region": "eu-central-1"}}
    receipt = told(await run_with(engine, values))
    assert receipt["seal"]["key"] == mine
    assert await verdicts(engine, receipt, mine) == {**GOOD, "signature": "ok"}
    assert (await verdicts(engine, receipt))["signature"] == "cannot tell"
    assert (await verdicts(engine, receipt, other))["signature"] == "differs"
    stripped = {**receipt, "seal": {"digest": receipt["seal"]["digest"]}}
    assert (await verdicts(engine, stripped, mine))["signature"] == "differs"
    forged = {**receipt, "rows_loaded": 501}
    forged["seal"] = {**receipt["seal"], "digest": digest_of(forged)}
    found = await verdicts(engine, forged, mine)
    assert (found["digest"], found["signature"], found["rows"]) == ("ok", "differs", "cannot tell")
    for wrong in ({"signature": "no base64"}, {"algorithm": "none"}):
        damaged = {**receipt, "seal": {**receipt["seal"], **wrong}}
        assert (await verdicts(engine, damaged, mine))["signature"] == "differs"


async def run_with(engine, values):
    (receipt,) = await runs.run(settings.parse(values, base=engine.directory), Wanted())
    assert receipt.status == "COMPLETE", receipt.error
    return receipt


async def test_rows_are_there_though_their_receipt_could_not_be_signed(engine, aws):
    await engine.source(MADE)
    values = {**engine.values(CHECKSUM), "aws": {"signing_key": "alias/nobody", "region": "eu-central-1"}}
    receipt = told(await run_with(engine, values))
    assert "cannot sign with aws.signing_key alias/nobody" in receipt["notes"][-1]
    assert receipt["seal"] == {"digest": digest_of(receipt)}
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(500,)]


def test_the_canonical_form_is_the_same_after_other_tools_have_rewritten_it():
    receipt = {"b": 1.0, "a": {"ü": [0.25, None, True], "é": '\u2028\x1f"'}, "seal": {"digest": "x"}}
    assert canonical(receipt) == '{"a":{"é":"\u2028\\u001f\\"","ü":[0.25,null,true]},"b":1}'.encode()
    assert digest_of(json.loads(json.dumps({**receipt, "b": 1}, indent=3))) == digest_of(receipt)


async def test_the_command_reads_what_run_has_printed_and_the_newest_of_the_state(engine, borealis):
    await engine.source(MADE)
    values = engine.values(CHECKSUM)
    ran = borealis(values, "run")
    file = engine.directory / "receipt.json"
    file.write_text(json.dumps(ran.output, indent=2))
    audited = borealis(values, "audit")
    assert audited.code == 0, audited.log
    (receipt,) = audited.output["receipts"]
    assert {check["what"]: check["verdict"] for check in receipt["checks"]} == {**GOOD, "signature": "cannot tell"}
    engine.target('DELETE FROM {db}."SHOP"."T" WHERE "ID" = 7')
    audited = borealis(values, "audit", str(file))
    assert (audited.code, audited.output["status"]) == (1, "FAILED")


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"tables": [7]}', b'{"table": "t"}', b'{"tables": [{"table": 1}]}'])
def test_what_is_no_receipt_is_refused(text):
    with pytest.raises(RefusedError, match="receipt"):
        receipts_in(text)
