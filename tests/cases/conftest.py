"""The real parts of the 25 cases of docs/cases.md: those of the integration tests, and a hand on what is sent."""

from collections.abc import Callable, Container

import pytest

from engine.target.session import Session
from tests.integration.conftest import engine

__all__ = ["engine"]


@pytest.fixture
def at(monkeypatch):
    """`at("COPY INTO", before=do, only=(2,))`: `do` is called with the second such statement before it is sent, and
    may raise instead; `after=` once it was answered, which is then lost. All statements are in what it returns.
    """
    execute, asked, said = Session._execute, [], []

    def sent(session, statement, *rest, **more):
        said.append(statement)
        mine = [each for each in asked if statement.startswith(each["begins"])]
        for each in mine:
            each["seen"] += 1
        now = [each for each in mine if each["seen"] in each["only"]]
        for each in now:
            each["before"](statement)
        result = execute(session, statement, *rest, **more)
        for each in now:
            each["after"](statement)
        return result

    def ask(begins: str, before: Callable = str, after: Callable = str, only: Container[int] = (1,)) -> list[str]:
        said.clear()
        asked.append({"begins": begins, "before": before, "after": after, "only": only, "seen": 0})
        return said

    monkeypatch.setattr(Session, "_execute", sent)
    return ask
