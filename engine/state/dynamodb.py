"""State in one DynamoDB table, for functions: every change is one conditional write of one item.

docs/state.md draws the table. A write carries a number of its own (`call_id`), so that one whose answer was lost, and
which the SDK therefore sent again, knows its first sending when that stands in its way.
"""

from __future__ import annotations

import math
import secrets
import time
from contextlib import AsyncExitStack
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from engine.aws import client
from engine.state.dynamodb_faults import fault_of
from engine.state.forms import first_version, pack, taken, unpack
from engine.state.port import Document, Lease

DAY_S = 86_400.0
LEASE_KEPT_S = DAY_S
"""An unused lease's item goes after this; its tokens then begin anew from the clock, above all that it gave."""

Item = dict[str, dict[str, Any]]


class DynamoState:
    """The client is opened by the first call, on its event loop, and lives until `close`, over freezes too."""

    def __init__(
        self, table: str, *, owner: str, lease_s: float, history_days: float, region: str | None = None
    ) -> None:
        self._table = table
        self._owner = owner
        self._lease_s = lease_s
        self._history_s = history_days * DAY_S
        self._region = region
        self._client: Any = None
        self._opened = AsyncExitStack()

    # --- leases -----------------------------------------------------------------------------------------------------

    async def acquire(self, table: str, run_id: str) -> Lease:
        now, call = time.time(), secrets.token_hex(8)
        written, item = await self._write(
            "update_item",
            call,
            Key=_key("lease", table),
            UpdateExpression="SET fence = if_not_exists(fence, :begin) + :one, run_id = :run, holder = :holder, "
            "call_id = :call, alive_until = :until, expires = :expires",
            ConditionExpression="attribute_not_exists(pk) OR alive_until <= :now",
            ExpressionAttributeValues={
                ":begin": _number(first_version()),
                ":one": _number(1),
                ":run": _text(run_id),
                ":holder": _text(self._owner),
                ":call": _text(call),
                ":now": _number(now),
                **self._alive(now),
            },
            ReturnValues="ALL_NEW",
        )
        if not written:
            raise taken(table, item["run_id"]["S"], item["holder"]["S"], float(item["alive_until"]["N"]) - now)
        mark = _key(f"began#{_invocation(run_id)}", run_id)
        await self._call("put_item", Item=mark | {"expires": _expires(now + self._history_s)})
        return Lease(table, run_id, int(item["fence"]["N"]))

    async def heartbeat(self, lease: Lease) -> bool:
        return await self._change(lease, "SET alive_until = :until, expires = :expires", self._alive(time.time()))

    async def release(self, lease: Lease) -> None:
        """The item stays for its token: the next lease has a higher one."""
        await self._change(lease, "SET alive_until = :never REMOVE run_id", {":never": _number(0)})

    async def leases(self) -> list[dict[str, Any]]:
        now = time.time()
        held = await self._query("lease", {":now": _number(now)}, FilterExpression="alive_until > :now")
        return [
            {
                "target": item["sk"]["S"],
                "run_id": item["run_id"]["S"],
                "owner": item["holder"]["S"],
                "seconds_left": round(float(item["alive_until"]["N"]) - now, 1),
            }
            for item in held
        ]

    async def _change(self, lease: Lease, update: str, values: Item) -> bool:
        """Only its holder changes a lease."""
        written, _ = await self._write(
            "update_item",
            Key=_key("lease", lease.table),
            UpdateExpression=update,
            ConditionExpression="fence = :token AND run_id = :run",
            ExpressionAttributeValues={":token": _number(lease.token), ":run": _text(lease.run_id), **values},
        )
        return written

    def _alive(self, now: float) -> Item:
        until = now + self._lease_s
        return {":until": _number(until), ":expires": _expires(until + LEASE_KEPT_S)}

    # --- documents --------------------------------------------------------------------------------------------------

    async def get(self, name: str) -> Document | None:
        answer = await self._call("get_item", Key=_key("document", name), ConsistentRead=True)
        item = answer.get("Item")
        if item is None or _is_over(item):
            return None
        return Document(unpack(item["body"]["B"]), int(item["revision"]["N"]))

    async def put(
        self, name: str, value: dict[str, Any], *, version: int = 0, keep_s: float | None = None
    ) -> int | None:
        now, call = time.time(), secrets.token_hex(8)
        new = version + 1 if version else first_version()
        item = _key("document", name)
        item |= {"revision": _number(new), "body": {"B": pack(name, value)}, "call_id": _text(call)}
        if keep_s is not None:
            item["expires"] = _expires(now + keep_s)
        if version:
            condition, values = "revision = :version", {":version": _number(version)}
        else:
            condition, values = "attribute_not_exists(pk) OR expires <= :now", {":now": _number(now)}
        written, _ = await self._write(
            "put_item", call, Item=item, ConditionExpression=condition, ExpressionAttributeValues=values
        )
        return new if written else None

    async def delete(self, name: str, *, version: int) -> None:
        await self._write(
            "delete_item",
            Key=_key("document", name),
            ConditionExpression="revision = :version",
            ExpressionAttributeValues={":version": _number(version)},
        )

    async def names(self, prefix: str) -> list[str]:
        found = await self._query("document", begin=prefix, ProjectionExpression="sk, expires")
        return [item["sk"]["S"] for item in found]

    # --- history ----------------------------------------------------------------------------------------------------

    async def record(self, run_id: str, target: str, receipt: dict[str, Any]) -> None:
        body = {"B": pack(f"the receipt of {run_id}", receipt)}
        kept: Item = {"run_id": _text(run_id), "body": body, "expires": _expires(time.time() + self._history_s)}
        await self._call("put_item", Item=_key(f"receipt#{target}", run_id) | kept)
        await self._write(
            "put_item",
            Item=_key("latest", target) | kept,
            ConditionExpression="attribute_not_exists(pk) OR run_id <= :run",
            ExpressionAttributeValues={":run": _text(run_id)},
        )

    async def last_receipts(self) -> dict[str, dict[str, Any]]:
        return {item["sk"]["S"]: unpack(item["body"]["B"]) for item in await self._query("latest")}

    async def receipts(self, target: str, limit: int) -> list[dict[str, Any]]:
        found = await self._query(f"receipt#{target}", limit=limit, ScanIndexForward=False)
        return [unpack(item["body"]["B"]) for item in found]

    async def began(self, run_id: str) -> bool:
        partition = f"began#{_invocation(run_id)}"
        if run_id == _invocation(run_id):
            return bool(await self._query(partition, limit=1))
        answer = await self._call("get_item", Key=_key(partition, run_id), ConsistentRead=True)
        return "Item" in answer

    # --- the table --------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        self._client = None
        await self._opened.aclose()

    async def _query(
        self, partition: str, values: Item | None = None, *, begin: str = "", limit: int | None = None, **request: Any
    ) -> list[Item]:
        """The items of a partition in the order of their sort keys, without those whose time is over."""
        condition, values = "pk = :pk", {":pk": _text(partition)} | (values or {})
        if begin:
            condition, values = f"{condition} AND begins_with(sk, :begin)", values | {":begin": _text(begin)}
        request |= {"KeyConditionExpression": condition, "ExpressionAttributeValues": values, "ConsistentRead": True}
        if limit is not None:
            request["Limit"] = limit
        found: list[Item] = []
        while True:
            page = await self._call("query", **request)
            found += [item for item in page["Items"] if not _is_over(item)]
            if "LastEvaluatedKey" not in page or (limit is not None and len(found) >= limit):
                return found[:limit]
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def _write(self, operation: str, call: str = "", **request: Any) -> tuple[bool, Item]:
        """Whether the condition held; the item as it then is, where asked for, or as it stands in the way."""
        answer = await self._call(operation, ReturnValuesOnConditionCheckFailure="ALL_OLD", **request)
        if _IN_THE_WAY not in answer:
            return True, answer.get("Attributes", {})
        item = answer[_IN_THE_WAY]
        return bool(call) and item.get("call_id") == _text(call), item

    async def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            opened = await self._connected()
            answer: dict[str, Any] = await getattr(opened, operation)(TableName=self._table, **request)
        except ClientError as error:
            if error.response["Error"].get("Code") == "ConditionalCheckFailedException":
                return {_IN_THE_WAY: error.response.get("Item", {})}
            raise fault_of(error, self._table) from error
        except BotoCoreError as error:
            raise fault_of(error, self._table) from error
        return answer

    async def _connected(self) -> Any:
        if self._client is None:
            self._client = await self._opened.enter_async_context(client("dynamodb", self._region))
        return self._client


_IN_THE_WAY = "Item in the way"


def _key(partition: str, name: str) -> Item:
    return {"pk": _text(partition), "sk": _text(name)}


def _text(value: str) -> dict[str, Any]:
    return {"S": value}


def _number(value: float) -> dict[str, Any]:
    return {"N": repr(value)}


def _expires(at: float) -> dict[str, Any]:
    """DynamoDB deletes the item some time after this; the attribute must be whole seconds."""
    return _number(math.ceil(at))


def _is_over(item: Item) -> bool:
    return "expires" in item and int(item["expires"]["N"]) <= time.time()


def _invocation(run_id: str) -> str:
    return run_id.partition("_")[0]
