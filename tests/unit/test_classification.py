"""One classification of errors: docs/errors.md shows what the code says, and each driver's errors fall under it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import botocore.exceptions as sdk
import pytest
import snowflake.connector.errors as driver

from engine import aws, errors
from engine.classification import (
    AWS,
    AWS_UNREACHED,
    SOURCE,
    SOURCE_CLASSES,
    SOURCE_UNREACHED,
    TARGET,
    TARGET_VALUES,
    Verdict,
)
from engine.errors import AwsError, BorealisError
from engine.secrets.refusals import _BY_KIND, _LOGIN_WORDS
from engine.source.connection import translate as source_translate
from engine.target import session
from engine.target.session import translate as target_translate

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"


def table(verdicts: Mapping[object, Verdict]) -> list[str]:
    return [f"| `{name}` | {yes(v.retryable)} | {v.meaning} | {v.remedy} |" for name, v in verdicts.items()]


def yes(retryable: bool) -> str:
    return "yes" if retryable else "no"


def of_vault() -> Iterator[str]:
    for kind, said, remedy, retryable in _BY_KIND:
        assert isinstance(kind, type)
        yield f"| `{kind.__name__}` | {yes(retryable)} | {said} | {remedy} |"
    for words, remedy, retryable in _LOGIN_WORDS:
        yield f"| login: `{words.replace('|', '`, `')}` | {yes(retryable)} | Vault refuses the login | {remedy} |"


def classes(kind: type[BorealisError] = BorealisError) -> Iterator[type[BorealisError]]:
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from classes(each)


def of_ours() -> Iterator[str]:
    for kind in classes():
        if kind is not errors.FaultsError:
            assert kind.__doc__, kind
            yield f"| `{kind.__name__}` | `{kind.code}` | {yes(kind.retryable)} | {' '.join(kind.__doc__.split())} |"


VALUE = "| `{}` | no | the target refuses a value of a row | see the table's column, or set its type |"
CHAPTERS = {
    "Ours": sorted(of_ours()),
    "PostgreSQL": table({**SOURCE, **{f"{name}…": v for name, v in SOURCE_CLASSES.items()}, **SOURCE_UNREACHED}),
    "Snowflake": [*table(TARGET), *(VALUE.format(number) for number in sorted(TARGET_VALUES))],
    "Vault": list(of_vault()),
    "AWS": table({**AWS, **AWS_UNREACHED}),
}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_document_has_exactly_the_rows_of_the_tables(chapter):
    """A row that is missing, stale or invented fails, and the failure shows the rows that belong there."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(rf"^## {chapter}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/errors.md has no chapter ## {chapter}"
    rows = [line for line in found[1].splitlines() if re.match(r"\| (login: )?`", line)]
    assert rows == CHAPTERS[chapter], "\n".join(CHAPTERS[chapter])


@pytest.mark.parametrize("verdicts", [SOURCE, SOURCE_CLASSES, SOURCE_UNREACHED, TARGET, AWS, AWS_UNREACHED])
def test_each_verdict_says_what_it_is_and_what_to_do(verdicts):
    for name, verdict in verdicts.items():
        assert verdict.meaning, name
        assert verdict.remedy, name
        assert not verdict.meaning.endswith("."), name
        assert not verdict.remedy.endswith("."), name


@pytest.mark.parametrize("state", SOURCE)
def test_the_driver_knows_each_sqlstate_of_the_table(state):
    error = asyncpg.PostgresError.new({"C": state, "M": "said by the server"})
    assert type(error) is not asyncpg.PostgresError, "no class of the driver has this state"
    told = source_translate(error, "cannot read")
    assert told.retryable is SOURCE[state].retryable
    assert told.remedy == SOURCE[state].advice


@pytest.mark.parametrize(
    ("error", "retryable", "remedy"),
    [
        (ConnectionRefusedError(111, "Connection refused"), True, "check the host and port"),
        (ConnectionResetError(104, "reset"), True, "run again"),
        (asyncpg.InterfaceError("the underlying connection is closed"), True, "run again"),
        (asyncpg.InternalClientError("cannot switch to state 18; another operation (2) is in progress"), True, "again"),
        (asyncpg.InterfaceError("unexpected authorization method"), False, "check source.dsn"),
        (TimeoutError(), True, "security groups"),
        (OSError(-2, "Name or service not known"), True, "check the host and port"),
        (ValueError("invalid DSN"), False, "check source.dsn"),
        (asyncpg.PostgresError.new({"C": "08006", "M": "lost"}), True, "run again"),
        (asyncpg.PostgresError.new({"C": "53400", "M": "limit"}), True, "run again when it has it"),
        (asyncpg.PostgresError.new({"C": "XX001", "M": "data corrupted"}), False, ""),
    ],
)
def test_what_the_source_s_driver_raises_is_classified(error, retryable, remedy):
    told = source_translate(error, "cannot read")
    assert told.retryable is retryable
    assert remedy in told.remedy


@pytest.mark.parametrize(
    ("error", "retryable", "remedy"),
    [
        (driver.OperationalError(msg="Could not connect after 2 attempts", errno=250001), True, "PrivateLink DNS"),
        (driver.ProgrammingError(msg="Incorrect username or password", errno=390100), False, "target.user"),
        (driver.ProgrammingError(msg="Session no longer exists", errno=390104), True, "run again"),
        (driver.InternalError(msg="Invalid Snowflake response", errno=6), True, "network path"),
        (driver.ProgrammingError(msg="waiters", errno=625), True, "run again later"),
        (driver.ProgrammingError(msg="timeout of 5 second(s)", errno=630), False, "statement_timeout_s"),
        (driver.ProgrammingError(msg="syntax error", errno=1003), False, ""),
        (driver.OperationalError(msg="timed out", errno=251011), True, "run again"),
        (driver.OperationalError(msg="upload", errno=253003), True, "bucket"),
        (driver.Error(msg="HTTP 503", errno=290503), True, ""),
        (driver.Error(msg="HTTP 429", errno=290429), True, ""),
        (driver.Error(msg="HTTP 502 at the login", errno=540001), True, "PrivateLink DNS"),
        (driver.Error(msg="HTTP 404", errno=290404), False, "target.account"),
        (driver.InterfaceError(msg="closed", errno=252006), False, ""),
        (ConnectionResetError(104, "reset"), True, "network path"),
        (OSError(28, "No space left on device"), False, ""),
    ],
)
def test_what_the_target_s_driver_raises_is_classified(error, retryable, remedy):
    told = target_translate(error, "cannot load")
    assert told.retryable is retryable
    assert remedy in told.remedy


def test_a_refused_login_is_not_taken_for_a_target_out_of_reach(monkeypatch):
    """Connector 4 tells both as 250001, the refusal as a plain DatabaseError: four tries would lock the user."""
    monkeypatch.setattr(session, "_MAJOR", 4)
    told = target_translate(driver.DatabaseError(msg="Incorrect username or password", errno=250001), "cannot log in")
    assert (told.retryable, told.errno) == (False, 390100)


def test_a_login_whose_answer_was_cut_off_is_not_taken_for_a_refused_one(monkeypatch):
    """Connector 5 tells it as 4 tells the refusal."""
    monkeypatch.setattr(session, "_MAJOR", 5)
    told = target_translate(driver.DatabaseError(msg="Invalid Snowflake response", errno=250001), "cannot log in")
    assert (told.retryable, told.errno) == (True, 250001)


@pytest.mark.filterwarnings("ignore:.*ForbiddenError:DeprecationWarning")
def test_an_account_that_is_not_known_is_not_taken_for_one_out_of_reach():
    forbidden = driver.ForbiddenError(msg="Verify the account name", errno=250001)
    assert target_translate(forbidden, "cannot log in").errno == 290403


def test_a_value_that_the_target_refuses_is_not_repeated():
    told = target_translate(driver.ProgrammingError(msg="Numeric value 's3cr3t' is not recognized", errno=100038), "x")
    assert told.code == "value"
    assert "s3cr3t" not in str(told)


def answered(code, status=400):
    said = {"Error": {"Code": code, "Message": "s3cr3t"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return sdk.ClientError(said, "PutItem")


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        *((answered(code), verdict.retryable) for code, verdict in AWS.items()),
        (answered("Novelty", 503), True),
        (answered("Novelty", 400), False),
        (sdk.EndpointConnectionError(endpoint_url="https://x"), True),
        (sdk.ConnectTimeoutError(endpoint_url="https://x"), True),
        (sdk.ReadTimeoutError(endpoint_url="https://x"), True),
        (sdk.NoCredentialsError(), False),
        (sdk.SSLError(endpoint_url="https://x", error="certificate"), False),
        (ConnectionResetError(104, "reset"), True),
    ],
)
def test_what_the_sdk_raises_is_classified_and_its_text_not_repeated(error, retryable):
    with pytest.raises(AwsError, match=r"^cannot do it: ") as told, aws.Translated("cannot do it"):
        raise error
    assert told.value.retryable is retryable
    assert "s3cr3t" not in str(told.value)


def test_the_sdk_has_each_class_of_the_table():
    assert all(issubclass(getattr(sdk, name), sdk.BotoCoreError) for name in AWS_UNREACHED)
