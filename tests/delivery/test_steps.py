"""The steps of a deployment, against Lambda and CloudWatch as moto has them.

Moto keeps a routing configuration as it was sent and does not spread invocations by it: that is the service's.
"""

import json
import time
from base64 import b64decode
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from delivery.__main__ import app, main
from delivery.artifactory import Artifactory
from delivery.functions import FUNCTIONS, Place
from delivery.packages import DeliveryError
from delivery.trials import smoke
from delivery.watch import watch

QUIET = {}


def everywhere(version: str, weights: dict[str, float] = QUIET) -> dict[str, tuple[str, dict[str, float]]]:
    return dict.fromkeys(FUNCTIONS, (version, weights))


@pytest.fixture
def second(made):
    return made("0.2.0")


@pytest.fixture
def canary(place, second):
    """Ten percent of the invocations get the second package."""
    place.shift(place.published(second), second.id, 10)
    return second


def test_a_canary_gets_some_of_the_invocations_of_every_function(deployed, canary):
    assert deployed.live() == everywhere("1", {"2": 0.1})


def test_a_version_is_of_the_very_bytes_that_were_asked_for(deployed, place, second):
    place.published(second)
    for name in FUNCTIONS:
        found = deployed.lambdas.get_function_configuration(FunctionName=deployed.prefix + name, Qualifier="2")
        assert bytes.fromhex(second.id.sha256).hex() == b64decode(found["CodeSha256"]).hex()
        assert found["Description"] == f"{second.id.short} of {second.manifest['commit'][:12]}"


def test_lambda_having_other_code_than_was_sent_ends_the_deployment(deployed, place, made, second):
    wrong = type(second)(second.id, second.manifest, made("6.6.6").archive)
    with pytest.raises(DeliveryError, match="Lambda has code"):
        place.published(wrong)
    assert deployed.live() == everywhere("1")


def test_a_canary_that_is_promoted_gets_everything_and_knows_what_was_before(deployed, place, canary):
    assert place.promote(canary.id) == FUNCTIONS
    assert deployed.live() == everywhere("2")
    assert [each.before for each in place.aliases()] == ["1"] * len(FUNCTIONS)


def test_a_canary_that_is_rolled_back_gets_nothing(deployed, place, canary):
    assert place.roll_back(canary.id) == dict.fromkeys(FUNCTIONS, "2 gets nothing any more, 1 stays")
    assert deployed.live() == everywhere("1")


def test_what_was_promoted_goes_back_once_and_not_further(deployed, place, canary):
    place.promote(canary.id)
    place.roll_back(canary.id)
    assert deployed.live() == everywhere("1")
    assert place.roll_back(canary.id) == {}
    assert place.roll_back(None) == {}
    assert deployed.live() == everywhere("1")


def test_a_rollback_leaves_alone_what_its_package_has_not_replaced(deployed, place, canary, made):
    """The rollback of a pipeline whose deployment was refused must not undo the one before."""
    third = made("0.3.0").id
    assert place.roll_back(third) == {}
    assert deployed.live() == everywhere("1", {"2": 0.1})
    place.promote(canary.id)
    assert place.roll_back(third) == {}
    assert deployed.live() == everywhere("2")


def test_nothing_but_its_own_canary_is_promoted(deployed, place, canary, made):
    with pytest.raises(DeliveryError, match="was it rolled back"):
        place.promote(made("0.3.0").id)
    assert deployed.live() == everywhere("1", {"2": 0.1})


def test_a_deployment_goes_to_all_invocations_at_once(deployed, place, second):
    place.shift(place.published(second), second.id, 100)
    assert deployed.live() == everywhere("2")


def test_the_same_package_once_more_changes_nothing(deployed, place, second):
    place.shift(place.published(second), second.id, 100)
    for percent in (10, 100):
        place.shift(place.published(second), second.id, percent)
        assert place.promote(second.id) == []
        assert deployed.live() == everywhere("2")
    assert {each.before for each in place.aliases()} == {"1"}


def test_while_a_canary_is_under_way_no_other_begins(deployed, place, canary, made):
    third = made("0.3.0")
    with pytest.raises(DeliveryError, match="`promote` or `rollback` it first"):
        place.shift(place.published(third), third.id, 10)
    assert deployed.live() == everywhere("1", {"2": 0.1})


@pytest.mark.parametrize("percent", [10, 100])
def test_a_function_that_refuses_takes_the_others_back(deployed, place, second, percent):
    versions, calls = place.published(second), []

    def refuse(**_):
        calls.append(1)
        if len(calls) == len(FUNCTIONS):
            raise ClientError({"Error": {"Code": "ResourceConflictException"}}, "UpdateAlias")

    place.lambdas.meta.events.register("before-call.lambda.UpdateAlias", refuse)
    with pytest.raises(DeliveryError, match=f"{FUNCTIONS[-1]}:live: .*ResourceConflict"):
        place.shift(versions, second.id, percent)
    assert len(calls) == 2 * len(FUNCTIONS) - 1
    assert deployed.live() == everywhere("1")


def test_an_alias_moves_only_from_where_it_was_seen(deployed, place, second):
    """What moto does not check, the request says: the revision that was read."""
    sent = []
    place.lambdas.meta.events.register(
        "provide-client-params.lambda.UpdateAlias", lambda params, **_: sent.append(params)
    )
    revisions = [each.revision for each in place.aliases()]
    place.shift(place.published(second), second.id, 10)
    assert [each["RevisionId"] for each in sent] == revisions
    assert {json.dumps(each["RoutingConfig"]) for each in sent} == {'{"AdditionalVersionWeights": {"2": 0.1}}'}


def test_health_is_asked_of_the_canary_then_of_what_is_live(deployed, place, canary):
    asked = []
    place.lambdas.meta.events.register("provide-client-params.lambda.Invoke", lambda params, **_: asked.append(params))
    assert place.healthy() == "version 2, 0.1.0: source"
    place.roll_back(canary.id)
    assert place.healthy() == "version 1, 0.1.0: source"
    assert [each["Qualifier"] for each in asked] == ["2", "1"]
    assert {each["Payload"] for each in asked} == {b'{"deep": true}'}


def test_an_ill_version_is_told_with_the_remedy(deployed, place):
    deployed.answers(ok=False)
    with pytest.raises(DeliveryError, match="version 1 is not healthy\nsource: no answer within 8 s; check the n"):
        place.healthy()


# --- the watch --------------------------------------------------------------------------------------------------


def test_a_watch_looks_at_the_alarms_until_its_time_is_over(deployed, place, canary):
    lines, pauses = [], []
    watch(place, 0.0005, lines.append, lambda seconds: pauses.append(seconds) or time.sleep(seconds))
    assert lines[0] == "1 alarms; version 2, 0.1.0: source"
    assert len(lines) == len(pauses) + 1


def test_an_alarm_that_begins_to_ring_ends_the_watch_and_names_the_runbook(deployed, place, canary):
    with pytest.raises(DeliveryError, match=f"{deployed.prefix}errors: docs/runbook.md#errors"):
        watch(place, 1, print, lambda _: deployed.alarm("ALARM"))


def test_an_alarm_that_rang_long_before_does_not_keep_a_mended_version_back(deployed, place, canary, monkeypatch):
    deployed.alarm("ALARM")
    monkeypatch.setattr("delivery.watch.RECENT", -timedelta(minutes=1))
    lines = []
    watch(place, 0, lines.append)
    assert lines == ["1 alarms, 1 rang before; version 2, 0.1.0: source"]


def test_a_place_without_alarms_is_not_called_quiet(aws, place):
    place.prefix = "nobody-"
    with pytest.raises(DeliveryError, match="nothing would be watched"):
        watch(place, 0, print)


# --- trials that fail; those that pass are in test_trials.py ----------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            {"status": "COMPLETE", "run_id": "A", "tables": [{"table": "t", "rows_loaded": 1}]},
            "was run twice: A, then A",
        ),
        ({"status": "COMPLETE", "run_id": "A", "tables": []}, "the run is COMPLETE"),
        ({"status": "PARTIAL", "run_id": "A", "tables": [{"table": "t"}]}, "the run is PARTIAL"),
        ({"status": "COMPLETE", "run_id": "A", "tables": [{"table": "t", "status": "FAILED"}]}, "FAILED"),
    ],
    ids=["twice", "nothing", "partial", "failed"],
)
def test_a_trial_whose_run_is_not_whole_fails(deployed, aws, place, tmp_path, answer, why):
    (tmp_path / "scheduled.json").write_text(json.dumps(answer))
    aws.functions.specs[f"{deployed.prefix}scheduled"].env["ANSWER"] = str(tmp_path / "scheduled.json")
    with pytest.raises(DeliveryError, match=why):
        smoke(place, "smoke", print)


# --- the commands -----------------------------------------------------------------------------------------------


@pytest.fixture
def run(deployed, artifactory, second, monkeypatch, capsys):
    """`run("canary")`: exit code or message, and what was printed; the package is in Artifactory."""
    front = artifactory.workflow
    files = {"borealis-arm64.zip": second.archive, "borealis-arm64.json": json.dumps(second.manifest).encode()}
    Artifactory.of(front).put(second, files)
    variables = {**front, "BOREALIS_ENVIRONMENT": "dev", "BOREALIS_PACKAGE": str(second.id)}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("delivery.__main__._place", lambda _: Place(deployed.prefix))

    def run(*arguments: str) -> tuple[object, str]:
        monkeypatch.setattr("sys.argv", ["delivery", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().out

    return run


def test_the_steps_of_production_in_their_order(run, deployed):
    assert run("canary", "--percent", "10")[0] == 0
    assert deployed.live() == everywhere("1", {"2": 0.1})
    assert run("health") == (0, "version 2, 0.1.0: source\n")
    assert run("watch", "--minutes", "0")[0] == 0
    assert run("promote")[0] == 0
    assert deployed.live() == everywhere("2")
    assert run("rollback")[0] == 0
    assert deployed.live() == everywhere("1")


@pytest.mark.parametrize("step", ["canary", "promote"])
def test_a_watch_that_sees_something_rolls_back_by_itself_and_fails(run, deployed, step):
    run("canary")
    if step == "promote":
        run("promote")
    deployed.answers(ok=False)
    code, told = run("watch", "--minutes", "5")
    assert str(code).startswith("delivery: version 2 is not healthy")
    assert f"{FUNCTIONS[0]}: 2 " in told
    assert deployed.live() == everywhere("1")


def test_dev_and_staging_get_a_package_at_once(run, deployed):
    assert run("deploy")[0] == 0
    assert deployed.live() == everywhere("2")


def test_a_package_that_is_not_there_changes_nothing(run, deployed):
    code, _ = run("deploy", "--package", f"0.2.0/{'0' * 64}")
    assert "404" in str(code)
    assert "is the package uploaded?" in str(code)
    assert deployed.live() == everywhere("1")


def test_every_command_says_what_it_does():
    assert all(each.callback.__doc__ for each in app.registered_commands)
