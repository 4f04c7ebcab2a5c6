"""What roles may do, read from what Terraform renders, and held against what was done. Pure.

Action, resource and the conditions in use are looked at as IAM does; a deny wins. A condition that this does not know
is an error, for a check that passes over one would be none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.terraform.running import Rendered

Context = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One request to AWS, or one that AWS makes in the name of a role."""

    role: str
    action: str
    """`service:Action`, as policies spell it."""
    resource: str
    """An ARN, or `*` where the action knows no resources."""
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Right:
    """One action on one pattern of resources, of a statement."""

    sid: str
    effect: str
    action: str
    resource: str
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    def covers(self, call: Call) -> bool:
        return (
            _like(self.action.lower(), call.action.lower())
            and _like(self.resource, call.resource)
            and self._holds(dict(call.context))
        )

    def _holds(self, context: Context) -> bool:
        return all(
            _condition(operator, context.get(key), _list(values))
            for operator, wanted in self.conditions.items()
            for key, values in wanted.items()
        )


def documents(rendered: Rendered, role: str) -> dict[str, dict[str, Any]]:
    """The inline policies of a role, by their name; there are no others."""
    attached = [each for each in rendered.all("aws_iam_role_policy_attachment") if each["role"] == role]
    assert not attached, f"{role} has an attached policy, which nobody reads here: {attached[0].address}"
    return {
        each["name"]: json.loads(each["policy"]) for each in rendered.all("aws_iam_role_policy") if each["role"] == role
    }


def rights_of(rendered: Rendered, role: str) -> list[Right]:
    return [right for document in documents(rendered, role).values() for right in rights(document)]


def rights(document: Mapping[str, Any]) -> Iterator[Right]:
    for statement in _list(document["Statement"]):
        unread = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert not unread, f"{statement.get('Sid')}: {unread} is not read here"
        for action in _list(statement["Action"]):
            for resource in _list(statement["Resource"]):
                yield Right(
                    statement.get("Sid", ""), statement["Effect"], action, resource, statement.get("Condition", {})
                )


def missing(having: Iterable[Right], calls: Iterable[Call]) -> list[str]:
    """Calls that the rights do not allow."""
    having = list(having)
    return sorted({f"{call.role}: {call.action} on {call.resource}" for call in calls if not allowed(having, call)})


def allowed(having: Iterable[Right], call: Call) -> bool:
    effects = {right.effect for right in having if right.covers(call)}
    return effects == {"Allow"}


def needless(having: Iterable[Right], calls: Iterable[Call]) -> list[str]:
    """What is allowed and was never called."""
    calls = list(calls)
    return sorted(
        f"{right.sid}: {right.action} on {right.resource}"
        for right in having
        if right.effect == "Allow" and not any(right.covers(call) for call in calls)
    )


def _like(pattern: str, text: str) -> bool:
    """IAM's wildcards."""
    return re.fullmatch("".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern), text) is not None


def _condition(operator: str, given: str | None, wanted: list[str]) -> bool:
    if operator in {"StringEquals", "Bool", "ArnEquals"}:
        return given in wanted
    if operator in {"StringLike", "ArnLike"}:
        return given is not None and any(_like(each, given) for each in wanted)
    raise AssertionError(f"the condition {operator} is not read here")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
