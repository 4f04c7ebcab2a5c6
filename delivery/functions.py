"""The functions of an environment: versions, and where the alias `live` points.

What is under way stands in the aliases themselves, so that each step finds it, whoever ran the one before: a weight
beside the version is a canary, and the description says which package is live and which version was so before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from delivery.packages import DEPLOYED, DeliveryError, Package, PackageId
from package.build import REPOSITORY
from package.contents import functions

ALIAS = "live"
FUNCTIONS = [name.removeprefix("handlers.") for name in functions(REPOSITORY)]
RETRIES = {"total_max_attempts": 4, "mode": "standard"}
CLIENT = Config(read_timeout=910, connect_timeout=10, tcp_keepalive=True, retries=RETRIES)
"""A function answers within 900 s, and NAT forgets a connection that is still for 350."""


@dataclass(frozen=True, slots=True)
class Alias:
    function: str
    version: str
    canary: str | None
    """The version that gets some of the invocations."""
    description: str
    revision: str

    @property
    def before(self) -> str | None:
        found = re.search(r", before (\d+)$", self.description)
        return found[1] if found else None

    def serves(self, package: PackageId) -> bool:
        return self.description.startswith(f"{package.short},")


class Place:
    """An environment by the prefix of its functions' names: `borealis-prod-`."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.lambdas = boto3.client("lambda", config=CLIENT)
        self.alarms = boto3.client("cloudwatch", config=CLIENT)
        self.states = boto3.client("stepfunctions", config=CLIENT)

    def aliases(self) -> list[Alias]:
        return [self._alias(name) for name in FUNCTIONS]

    def published(self, package: Package) -> dict[str, str]:
        """A version of each function, of this package and of the settings that Terraform gave it."""
        return {name: self._published(name, package) for name in FUNCTIONS}

    def shift(self, versions: dict[str, str], package: PackageId, percent: int) -> None:
        """To all or to some of the invocations. If one function refuses, those before it go back."""
        under_way = [each.function for each in self.aliases() if each.canary]
        if under_way:
            raise DeliveryError(f"a canary of {', '.join(under_way)} is under way; `promote` or `rollback` it first")
        try:
            for alias in self.aliases():
                new = versions[alias.function]
                if new != alias.version and percent < 100:
                    self._point(alias, alias.version, alias.description, {new: percent / 100})
                elif new != alias.version:
                    self._promote(alias, new, package)
        except DeliveryError:
            self.roll_back(package)
            raise

    def promote(self, package: PackageId) -> list[str]:
        """The functions whose canary, of this package, gets everything from now on."""
        aliases = self.aliases()
        waiting = [each for each in aliases if self._tries(each, package)]
        live = all(self._code(each.function, each.version) == package.code for each in aliases if each not in waiting)
        if not live:
            raise DeliveryError(f"there is no canary of {package.short}; was it rolled back?")
        for alias in waiting:
            self._promote(alias, str(alias.canary), package)
        return [each.function for each in waiting]

    def roll_back(self, package: PackageId | None) -> dict[str, str]:
        """Ends the package's canary; where it is live already, the version before it is again. None: any package.

        What it did, by function. Nothing of it is done twice, and a package that was never live changes nothing.
        """
        done = {}
        for alias in self.aliases():
            if alias.canary and (package is None or self._tries(alias, package)):
                self._point(alias, alias.version, alias.description, {})
                done[alias.function] = f"{alias.canary} gets nothing any more, {alias.version} stays"
            elif not alias.canary and alias.before and (package is None or alias.serves(package)):
                self._point(alias, alias.before, f"rolled back from {alias.version}", {})
                done[alias.function] = f"{alias.version} back to {alias.before}"
        return done

    def invoke(self, function: str, event: dict[str, Any], qualifier: str = ALIAS) -> dict[str, Any]:
        """Its answer; DeliveryError with its own words where it failed."""
        with self._told(f"{function}:{qualifier}"):
            answer = self.lambdas.invoke(
                FunctionName=self.prefix + function, Qualifier=qualifier, Payload=json.dumps(event).encode()
            )
            payload: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise DeliveryError(
                f"{function}:{qualifier} failed: {payload.get('errorType')}: {payload.get('errorMessage')}"
            )
        return payload

    def healthy(self) -> str:
        """A deep look by the version that a canary is of, else by what is live; what it found."""
        alias = self._alias("health")
        qualifier = alias.canary or alias.version
        answer = self.invoke("health", {"deep": True}, qualifier)
        if not answer["ok"]:
            ill = [f"{each['name']}: {each['detail']}; {each['remedy']}" for each in answer["checks"] if not each["ok"]]
            raise DeliveryError("\n".join([f"version {qualifier} is not healthy", *ill]))
        return f"version {qualifier}, {answer['version']}: {', '.join(each['name'] for each in answer['checks'])}"

    def all_alarms(self) -> list[dict[str, Any]]:
        """Those whose names begin as the functions' do, as CloudWatch describes them."""
        kinds = {"MetricAlarms": "MetricAlarm", "CompositeAlarms": "CompositeAlarm"}
        with self._told("alarms"):
            pages = self.alarms.get_paginator("describe_alarms").paginate(
                AlarmNamePrefix=self.prefix, AlarmTypes=list(kinds.values())
            )
            found = [each for page in pages for kind in kinds for each in page.get(kind, [])]
        if not found:
            raise DeliveryError(f"there is no alarm whose name begins with {self.prefix}; nothing would be watched")
        return found

    def execution(self, arn: str) -> dict[str, Any]:
        """As Step Functions describes it."""
        with self._told("state machine"):
            found: dict[str, Any] = self.states.describe_execution(executionArn=arn)
        return found

    def _alias(self, function: str) -> Alias:
        with self._told(f"{function}:{ALIAS}"):
            found = self.lambdas.get_alias(FunctionName=self.prefix + function, Name=ALIAS)
        weights = (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        canary = next(iter(weights), None)
        return Alias(function, found["FunctionVersion"], canary, found.get("Description", ""), found["RevisionId"])

    def _tries(self, alias: Alias, package: PackageId) -> bool:
        """Whether its canary is of the package."""
        return alias.canary is not None and self._code(alias.function, alias.canary) == package.code

    def _code(self, function: str, version: str) -> str:
        with self._told(f"{function}:{version}"):
            found = self.lambdas.get_function_configuration(FunctionName=self.prefix + function, Qualifier=version)
        return str(found["CodeSha256"])

    def _published(self, function: str, package: Package) -> str:
        name, code, has = self.prefix + function, package.id.code, self._code(function, "$LATEST")
        with self._told(function):
            if has != code:
                sent = {"ZipFile": package.archive, "Architectures": [DEPLOYED]}
                has = self.lambdas.update_function_code(FunctionName=name, **sent)["CodeSha256"]
            if has != code:
                raise DeliveryError(f"{function}: Lambda has code {has}, not {code}; run it again")
            self.lambdas.get_waiter("function_updated_v2").wait(FunctionName=name)
            text = f"{package.id.short} of {package.manifest['commit'][:12]}"
            version = self.lambdas.publish_version(FunctionName=name, CodeSha256=code, Description=text)["Version"]
            self.lambdas.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version)
        return str(version)

    def _promote(self, alias: Alias, new: str, package: PackageId) -> None:
        self._point(alias, new, f"{package.short}, before {alias.version}", {})

    def _point(self, alias: Alias, version: str, description: str, weights: dict[str, float]) -> None:
        """Only if nobody else has moved the alias meanwhile."""
        with self._told(f"{alias.function}:{ALIAS}"):
            self.lambdas.update_alias(
                FunctionName=self.prefix + alias.function, Name=ALIAS, FunctionVersion=version, Description=description,
                RoutingConfig={"AdditionalVersionWeights": weights}, RevisionId=alias.revision,
            )  # fmt: skip

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise DeliveryError(f"{self.prefix}{what}: {error}") from error
