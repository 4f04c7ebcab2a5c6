"""`python -m delivery`: the steps of the pipelines, each a command that a person may run too."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import engine
from delivery import trials
from delivery.artifactory import Artifactory
from delivery.functions import Place
from delivery.packages import DEPLOYED, DeliveryError, PackageId, built
from delivery.packages import notes as notes_of
from delivery.watch import watch as watch_alarms
from package.build import REPOSITORY

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Environment = Annotated[str, typer.Option(envvar="BOREALIS_ENVIRONMENT", help="dev, staging or prod")]
Wanted = Annotated[
    str, typer.Option("--package", envvar="BOREALIS_PACKAGE", help="VERSION/SHA256 of the arm64 package")
]
Group = Annotated[str, typer.Option(help="tables of the configuration that a trial may replicate")]


@app.command()
def notes(tag: str) -> None:
    """The changelog's section of a tag."""
    print(notes_of((REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), engine.__version__, tag))


@app.command()
def upload(dist: Path) -> None:
    """All packages of a folder to Artifactory."""
    packages = built(dist)
    artifactory = Artifactory.of(os.environ)
    for package, files in packages:
        new = artifactory.put(package, files)
        architecture = package.manifest["architecture"]
        print(
            f"{architecture}: {package.id}{'' if new else ' (was there)'}{', to deploy' * (architecture == DEPLOYED)}"
        )


@app.command()
def deploy(environment: Environment, package: Wanted) -> None:
    """A package to all invocations at once."""
    _shift(environment, package, 100)


@app.command()
def canary(
    environment: Environment, package: Wanted, percent: Annotated[int, typer.Option(min=1, max=99)] = 10
) -> None:
    """A package to some of the invocations."""
    _shift(environment, package, percent)


@app.command()
def health(environment: Environment) -> None:
    """Whether the canary, or what is live, reaches all that it needs."""
    print(_place(environment).healthy())


@app.command()
def watch(environment: Environment, package: Wanted, minutes: Annotated[float, typer.Option(min=0)] = 15) -> None:
    """Alarms and health for some minutes; rolls back by itself if one is not well."""
    place = _place(environment)
    try:
        watch_alarms(place, minutes, _tell)
    except DeliveryError:
        _told(place.roll_back(PackageId.parse(package)))
        raise


@app.command()
def promote(environment: Environment, package: Wanted) -> None:
    """The canary to all invocations."""
    for function in _place(environment).promote(PackageId.parse(package)):
        print(f"{function}: live")


@app.command()
def rollback(
    environment: Environment,
    package: Annotated[str | None, typer.Option(envvar="BOREALIS_PACKAGE", help="only what this one replaced")] = None,
) -> None:
    """Back to the version before: ends a canary, or undoes what was promoted. A second time does nothing."""
    _told(_place(environment).roll_back(PackageId.parse(package) if package else None))


@app.command()
def smoke(environment: Environment, group: Group = "smoke") -> None:
    """The integration test of a deployed environment."""
    trials.smoke(_place(environment), group, _tell)


@app.command()
def accept(environment: Environment, group: Group = "smoke") -> None:
    """The acceptance test of a deployed environment."""
    trials.accept(_place(environment), group, _tell)


def _place(environment: str) -> Place:
    return Place(f"borealis-{environment}-")


def _shift(environment: str, package: str, percent: int) -> None:
    found, place = Artifactory.of(os.environ).get(PackageId.parse(package)), _place(environment)
    versions = place.published(found)
    place.shift(versions, found.id, percent)
    for function, version in versions.items():
        print(f"{function}: version {version} gets {percent} %")


def _told(done: dict[str, str]) -> None:
    for function, what in done.items():
        print(f"{function}: {what}")


def _tell(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    try:
        app()
    except DeliveryError as error:
        sys.exit(f"delivery: {error}")


if __name__ == "__main__":
    main()
