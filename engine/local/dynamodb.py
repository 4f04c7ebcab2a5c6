"""DynamoDB on a laptop: the table of the state as Terraform makes it, and moto as strict as the service."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from moto.dynamodb.responses import DynamoHandler


@cache
def make_atomic() -> None:
    """From now on moto in this process answers one request to DynamoDB at a time.

    It looks at a condition and writes in two steps, between which another thread may write: of 40 times that 30 clients
    wanted one lease at once, 3 ended with two holders.
    """
    answer = DynamoHandler.call_action
    alone = threading.Lock()

    def one_at_a_time(self: DynamoHandler) -> Any:
        with alone:
            return answer(self)

    DynamoHandler.call_action = one_at_a_time  # type: ignore[method-assign]


async def create_table(client: Any, name: str) -> None:
    """`client` is an asynchronous one of DynamoDB. docs/state.md says what stands in the table."""
    await client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    await client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
