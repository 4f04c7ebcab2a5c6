"""All that `borealis check --cloud` looks at: what surrounds a run, and the resources of the account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import orjson

from engine import aws
from engine.checking import account, network, source, target, vault
from engine.checking.finding import Finding
from engine.config import Config
from engine.errors import AwsError

INSIDE_S = 60.0
"""The health function's own time limit."""
Look = Callable[[], Awaitable[list[Finding]]]


async def from_here(config: Config, resolve: network.Resolve | None = None) -> list[Finding]:
    """What a run from this machine would meet."""
    return await _all(
        [partial(network.look, config, resolve), *(partial(part.look, config) for part in (vault, source, target))]
    )


async def everything(config: Config, inside: str | None) -> list[Finding]:
    """`inside`: the health function by this name looks in the place of this machine."""
    looked = partial(from_inside, config, inside) if inside else partial(from_here, config)
    return await _all([partial(account.look, config), looked])


async def from_inside(config: Config, function: str) -> list[Finding]:
    with aws.Translated(f"cannot ask the function {function}"):
        async with aws.client("lambda", config.aws.region, read_s=INSIDE_S) as client:
            answer: Any = await client.invoke(FunctionName=function, Payload=orjson.dumps({"cloud": True}))
            async with answer["Payload"] as stream:
                told = orjson.loads(await stream.read())
    if "findings" not in told:
        raise AwsError(f"the function {function} did not look: {told.get('errorMessage', 'no findings')}",
                       remedy="see its log, and that it has this version")  # fmt: skip
    return [Finding(**each) for each in told["findings"]]


async def _all(looks: list[Look]) -> list[Finding]:
    """At once; in the order of the looks."""
    found: dict[int, list[Finding]] = {}

    async def one(number: int, look: Look) -> None:
        found[number] = await look()

    async with anyio.create_task_group() as tasks:
        for number, look in enumerate(looks):
            tasks.start_soon(one, number, look)
    return [finding for number in sorted(found) for finding in found[number]]
