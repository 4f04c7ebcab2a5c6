"""Sessions that a warm function keeps: checked, set up for the next run, and replaced where they are gone."""

import pytest

from engine.config import parse
from engine.connect import KEPT, KeptSessions, sessions
from tests.secrets.login_front import Users, login_front


@pytest.fixture
def users():
    users = Users()
    users.passwords["LOADER"] = "x"
    return users


@pytest.fixture
def config(warehouse, users):
    with login_front(warehouse.endpoint.port, users) as port:
        yield parse(
            {
                "source": {"dsn": "postgresql://reader@127.0.0.1/shop"},
                "target": {
                    "account": "local", "host": "127.0.0.1", "port": port, "protocol": "http",
                    "user": "LOADER", "password": "x", "database": "D", "schema": "S",
                },
                "tables": [{"name": "public.*"}],
            }
        )  # fmt: skip


async def one_session(config, run_id, kept) -> tuple[str, str]:
    """The number of the session that a run gets, and its tag."""
    KEPT.set(kept)
    async with sessions(config, run_id) as pool, pool.session() as session:
        ((number,),) = (await session.execute("SELECT CURRENT_SESSION()")).rows
        shown = (await session.execute("SHOW PARAMETERS LIKE 'QUERY_TAG' IN SESSION")).rows
    return number, shown[0][1]


async def test_the_next_invocation_uses_the_session_with_the_tag_of_its_own_run(config, users):
    kept = KeptSessions()
    first, first_tag = await one_session(config, "run-1", kept)
    second, second_tag = await one_session(config, "run-2", kept)
    assert first == second
    assert '"run":"run-1"' in first_tag
    assert '"run":"run-2"' in second_tag
    assert users.logins == ["LOADER"]
    await kept.pool.close()


async def test_f24_a_session_that_ended_while_the_function_was_frozen_is_replaced(config, users, warehouse):
    kept = KeptSessions()
    first, _ = await one_session(config, "run-1", kept)
    users.end_sessions(warehouse.endpoint.port)
    second, tag = await one_session(config, "run-2", kept)
    assert first != second
    assert '"run":"run-2"' in tag
    assert users.logins == ["LOADER", "LOADER"]
    await kept.pool.close()


async def test_another_configuration_gets_sessions_of_its_own(config, users):
    kept = KeptSessions()
    await one_session(config, "run-1", kept)
    other = config.model_copy(update={"target": config.target.model_copy(update={"query_tag": "other"})})
    _, tag = await one_session(other, "run-2", kept)
    assert '"tag":"other"' in tag
    assert users.logins == ["LOADER", "LOADER"]
    await kept.pool.close()


async def test_without_keeping_every_session_is_logged_out(config, users):
    first, _ = await one_session(config, "run-1", None)
    second, _ = await one_session(config, "run-2", None)
    assert first != second
