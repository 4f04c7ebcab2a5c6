"""Whatever is called in whatever order, a store answers as a small model of leases and documents does."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from engine.errors import LeaseError
from engine.state.port import Lease, State
from tests.contract.states import OVER_S, backend

NAMES = st.sampled_from(["T", "T_1", "U%"])
RUNS = st.sampled_from(["run1", "run2"])
VALUES = st.dictionaries(st.text(max_size=3), st.integers(-(2**63), 2**63) | st.text(max_size=5), max_size=2)


class Stores(RuleBasedStateMachine):
    """Each example has names of its own in one store; `lapsing` is a process whose leases end as it takes them."""

    runner: asyncio.Runner
    opened: tuple[State, State]
    examples = 0

    leases = Bundle("leases")
    versions = Bundle("versions")

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        self.prefix = f"example{self.examples}/"
        self.state, self.lapsing = self.opened
        self.held: dict[str, Lease] = {}
        self.over: dict[str, Lease] = {}
        self.token: dict[str, int] = {}
        self.documents: dict[str, tuple[dict[str, Any], int]] = {}

    def wait(self, work: Awaitable[Any]) -> Any:
        return self.runner.run(work)

    @rule(target=leases, name=NAMES, run=RUNS, lapses=st.booleans())
    def acquire(self, name: str, run: str, lapses: bool):
        name = self.prefix + name
        store = self.lapsing if lapses else self.state
        if name in self.held:
            with pytest.raises(LeaseError) as refused:
                self.wait(store.acquire(name, run))
            assert refused.value.run_id == self.held[name].run_id
            return multiple()
        lease = self.wait(store.acquire(name, run))
        assert lease.token > self.token.get(name, 0)
        self.token[name] = lease.token
        self._now(lease, lapses)
        return lease

    @rule(lease=leases, lapses=st.booleans())
    def heartbeat(self, lease: Lease, lapses: bool) -> None:
        mine = lease in {self.held.get(lease.table), self.over.get(lease.table)}
        assert self.wait((self.lapsing if lapses else self.state).heartbeat(lease)) == mine
        if mine:
            self._now(lease, lapses)

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        self.wait(self.state.release(lease))
        for kept in (self.held, self.over):
            if kept.get(lease.table) == lease:
                del kept[lease.table]

    def _now(self, lease: Lease, lapses: bool) -> None:
        self.held.pop(lease.table, None)
        self.over.pop(lease.table, None)
        (self.over if lapses else self.held)[lease.table] = lease

    @rule(target=versions, name=NAMES, value=VALUES, gone=st.booleans())
    def create(self, name: str, value: dict[str, Any], gone: bool):
        name = self.prefix + name
        version = self.wait(self.state.put(name, value, keep_s=OVER_S if gone else None))
        assert (version is None) == (name in self.documents)
        if version is None:
            return multiple()
        if not gone:
            self.documents[name] = value, version
        return name, version, gone

    @rule(target=versions, read=versions, value=VALUES)
    def replace(self, read: tuple[str, int, bool], value: dict[str, Any]):
        name, version, gone = read
        if gone:
            return multiple()  # whether a document whose time is over is there yet is the store's affair
        replaced = self.wait(self.state.put(name, value, version=version))
        current = self.documents.get(name)
        assert (replaced is not None) == (current is not None and current[1] == version)
        if replaced is None:
            return multiple()
        assert replaced > version
        self.documents[name] = value, replaced
        return name, replaced, False

    @rule(read=versions)
    def delete(self, read: tuple[str, int, bool]) -> None:
        name, version, _ = read
        self.wait(self.state.delete(name, version=version))
        if name in self.documents and self.documents[name][1] == version:
            del self.documents[name]

    @rule(name=NAMES)
    def get(self, name: str) -> None:
        read = self.wait(self.state.get(self.prefix + name))
        assert (read and (read.value, read.version)) == self.documents.get(self.prefix + name)

    @invariant()
    def lists(self) -> None:
        assert self.wait(self.state.names(self.prefix)) == sorted(self.documents)
        held = [each for each in self.wait(self.state.leases()) if each["target"].startswith(self.prefix)]
        assert {each["target"]: each["run_id"] for each in held} == {
            name: lease.run_id for name, lease in self.held.items()
        }


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 30), ("dynamodb", 10)])
def test_any_order_of_calls_is_answered_as_the_model_does(
    kind: str, examples: int, tmp_path: Path, request: pytest.FixtureRequest
):
    if kind == "dynamodb":
        request.getfixturevalue("aws")

    class Chosen(Stores):
        pass

    with asyncio.Runner() as Chosen.runner:
        entered = backend(kind, tmp_path)
        states = Chosen.runner.run(entered.__aenter__())
        Chosen.opened = (states(), states(lease_s=OVER_S))
        try:
            run_state_machine_as_test(
                Chosen,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=15,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            Chosen.runner.run(entered.__aexit__(None, None, None))
