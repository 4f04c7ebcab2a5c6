"""What is DynamoDB's own: lost answers, pages, time to live, and faults told with their remedy."""

import os
import time
from collections.abc import Iterator

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from engine import config
from engine.aws import client
from engine.errors import LeaseError, StateError
from engine.state.chosen import state_of
from engine.state.dynamodb import DynamoState
from engine.state.dynamodb_faults import fault_of
from engine.state.sqlite import SqliteState
from tests.contract.states import backend
from tests.faults.proxy import FaultProxy


@pytest_asyncio.fixture
async def states(aws, tmp_path):
    async with backend("dynamodb", tmp_path) as opened:
        yield opened


@pytest.fixture
def state(states):
    return states()


@pytest.fixture
def proxy(aws, moto_port, monkeypatch) -> Iterator[FaultProxy]:
    """Between every client of the test and AWS."""
    with FaultProxy(moto_port) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{between.port}")
        yield between


# --- answers that are lost ----------------------------------------------------------------------------------------


async def test_a_lease_whose_answer_was_lost_is_had(proxy, state):
    await state.leases()
    proxy.cut_after(0)
    lease = await state.acquire("SHOP.T", "run1")
    assert proxy.cuts == 1
    assert await state.heartbeat(lease)


async def test_a_document_whose_answer_was_lost_is_written(proxy, state):
    await state.names("run/")
    proxy.cut_after(0)
    first = await state.put("run/a", {"n": 1})
    proxy.cut_after(0)
    second = await state.put("run/a", {"n": 2}, version=first)
    assert proxy.cuts == 2
    assert (await state.get("run/a")).version == second
    assert await state.put("run/a", {"n": 3}, version=first) is None


async def test_a_heartbeat_and_a_release_whose_answers_were_lost_have_been(proxy, state):
    lease = await state.acquire("SHOP.T", "run1")
    proxy.cut_after(0)
    assert await state.heartbeat(lease)
    proxy.cut_after(0)
    await state.release(lease)
    assert proxy.cuts == 2
    await state.acquire("SHOP.T", "run2")


# --- the table ----------------------------------------------------------------------------------------------------


async def test_more_than_a_page_is_read_to_its_end(state):
    noise = os.urandom(60_000).hex()
    for number in range(25):  # 1.7 MB; a page ends at 1 MB
        await state.put(f"plan/{number:02}", {"noise": noise})
        await state.record(f"run{number:02}", "SHOP.T", {"noise": noise, "n": number})
    pages = await state._call(
        "query", KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "document"}}
    )
    assert "LastEvaluatedKey" in pages
    assert len(await state.names("plan/")) == 25
    assert [receipt["n"] for receipt in await state.receipts("SHOP.T", 24)] == list(range(24, 0, -1))


async def test_every_item_but_a_lasting_document_goes_in_its_time(states):
    state, days = states(history_days=90), 86_400
    lease = await state.acquire("SHOP.T", "run1_1")
    await state.heartbeat(lease)
    await state.release(await state.acquire("SHOP.U", "run1_2"))
    await state.record("run1_1", "SHOP.T", {})
    await state.put("plan/SHOP.T", {})
    await state.put("event/a", {}, keep_s=2 * days)
    items = (await state._call("scan"))["Items"]
    left = {(item["pk"]["S"], item["sk"]["S"]): item.get("expires", {}).get("N") for item in items}
    assert all(expires is None or expires.isdigit() for expires in left.values())  # else DynamoDB keeps it for good
    assert {key: expires and round((int(expires) - time.time()) / days) for key, expires in left.items()} == {
        ("lease", "SHOP.T"): 1,
        ("lease", "SHOP.U"): 1,
        ("began#run1", "run1_1"): 90,
        ("began#run1", "run1_2"): 90,
        ("receipt#SHOP.T", "run1_1"): 90,
        ("latest", "SHOP.T"): 90,
        ("document", "plan/SHOP.T"): None,
        ("document", "event/a"): 2,
    }


async def test_history_whose_days_are_over_is_not_told_though_it_is_there_yet(states):
    await states(history_days=-1).record("run1", "SHOP.T", {})
    assert await states().receipts("SHOP.T", 5) == []
    assert await states().last_receipts() == {}


async def test_tokens_go_on_growing_when_an_unused_lease_has_been_deleted(state):
    lease = await state.acquire("SHOP.T", "run1")
    await state._call("delete_item", Key={"pk": {"S": "lease"}, "sk": {"S": "SHOP.T"}})
    assert (await state.acquire("SHOP.T", "run2")).token > lease.token


# --- faults -------------------------------------------------------------------------------------------------------


def state_over(table: str) -> DynamoState:
    return DynamoState(table, owner="test:1", lease_s=60, history_days=1)


async def test_a_table_that_is_not_there_names_the_setting(aws):
    state = state_over("nowhere")
    with pytest.raises(StateError, match=r"no DynamoDB table nowhere .* set state\.table .* Terraform") as caught:
        await state.acquire("SHOP.T", "run1")
    assert not caught.value.retryable
    await state.close()


async def test_a_table_with_other_keys_leads_to_the_docs(aws):
    async with client("dynamodb") as dynamodb:
        await dynamodb.create_table(
            TableName="other-keys",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    state = state_over("other-keys")
    with pytest.raises(StateError, match=r"DynamoDB refused dynamodb:GetItem .*ValidationException.* docs/state\.md"):
        await state.get("run/a")
    await state.close()


async def test_a_service_out_of_reach_may_be_reached_later(proxy, state):
    await state.leases()
    proxy.refuse()
    with pytest.raises(StateError, match=r"cannot reach the DynamoDB table .* gateway endpoint") as caught:
        await state.get("run/a")
    assert caught.value.retryable


def answered(code: str) -> StateError:
    return fault_of(ClientError({"Error": {"Code": code, "Message": "as told"}}, "PutItem"), "state")


def test_a_right_that_the_role_has_not_is_named():
    """Moto refuses with XML; these are the service's codes."""
    assert "allow dynamodb:PutItem on the table" in str(answered("AccessDeniedException"))
    assert "refuses the AWS credentials" in str(answered("UnrecognizedClientException"))


def test_what_passes_is_retryable_and_what_must_be_corrected_is_not():
    assert answered("ProvisionedThroughputExceededException").retryable
    assert answered("ThrottlingException").retryable
    assert answered("InternalServerError").retryable
    assert not answered("ValidationException").retryable
    assert not answered("ExpiredTokenException").retryable
    assert "AWS_PROFILE" in fault_of(NoCredentialsError(), "state").remedy
    assert "aws.region" in fault_of(NoRegionError(), "state").remedy


# --- the choice ---------------------------------------------------------------------------------------------------


def configured(**state: object) -> config.Config:
    return config.parse(
        {
            "source": {"dsn": "postgresql://reader@127.0.0.1/shop"},
            "target": {"local": "./warehouse", "database": "RAW", "schema": "SHOP"},
            "tables": [{"name": "public.*"}],
            "state": state,
        }
    )


async def test_a_table_in_the_configuration_chooses_dynamodb_and_tells_who_holds(states, tmp_path):
    assert isinstance(state_of(configured(path=str(tmp_path / "state.db"))), SqliteState)
    named = state_of(configured(table=states.place), owner="borealis-scheduled 8f3e")
    await named.acquire("SHOP.T", "run1")
    with pytest.raises(LeaseError, match=r"held by run run1 \(borealis-scheduled 8f3e\)"):
        await states().acquire("SHOP.T", "run2")
    await named.close()
