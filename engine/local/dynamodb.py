"""The table of a run's state, made as Terraform makes it: for a laptop's DynamoDB and for tests."""

from __future__ import annotations

from typing import Any


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
