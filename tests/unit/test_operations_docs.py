"""Runbook, disaster recovery, security and first deployment name what there is: commands, options, files, resources."""

import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import dropwhile
from pathlib import Path

import botocore.session
import pytest
import typer
from botocore import xform_name

from engine import audit
from engine.cli import app
from engine.config import load
from handlers import triggers

ROOT = Path(__file__).parents[2]
DOCS = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        for name in ("runbook", "disaster-recovery", "security", "first-deployment")}  # fmt: skip
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TERRAFORM = {
    folder: "\n".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / folder).glob("*.tf")))
    for folder in ("terraform", "terraform/snowflake", "terraform/vault")
}


def shell_lines(text: str) -> Iterator[list[str]]:
    """The words of each command of the blocks of sh, comments and continuations resolved, and of `$(...)` in them."""
    for kind, block in FENCE.findall(text):
        if kind == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                for inner in re.findall(r"\$\((.*?)\)", line):
                    yield shlex.split(inner, comments=True)
                yield shlex.split(re.sub(r"\$\(.*?\)", "IT", line), comments=True)


def in_text(text: str) -> Iterator[list[str]]:
    """`borealis ...` where prose names it."""
    for code in re.findall(r"`(borealis [^`]+)`", FENCE.sub("", text)):
        yield shlex.split(code)


def commands(program: str, pages: Mapping[str, str] = DOCS) -> list[tuple[str, list[str]]]:
    found = []
    for name, text in pages.items():
        for words in [*shell_lines(text), *in_text(text)]:
            said = list(dropwhile(lambda word: re.fullmatch(r"[A-Z_0-9]+=.*", word), words))
            if said[:1] == [program]:
                found.append((name, said[1:]))
    return found


@pytest.mark.parametrize(("document", "words"), commands("borealis"))
def test_a_command_and_its_options_are_those_of_the_command_line(document, words):
    command = typer.main.get_command(app).commands[words[0]]
    command.parse_args(typer.Context(command), words[1:] or (["public.orders"] if words[0] == "rollback" else []))


@pytest.mark.parametrize(("document", "words"), commands("terraform"))
def test_what_terraform_is_given_is_there(document, words):
    folder = next((word.removeprefix("-chdir=") for word in words if word.startswith("-chdir=")), "terraform")
    assert folder in TERRAFORM
    for file in (word.removeprefix("-var-file=") for word in words if word.startswith("-var-file=")):
        assert (ROOT / folder / file).is_file(), file
    if "output" in words:
        for name in [word for word in words[words.index("output") + 1 :] if not word.startswith("-") and word != "|"][
            :1
        ]:
            assert f'output "{name}"' in TERRAFORM[folder], name


OF_THE_COMMAND_LINE = {"output", "query", "cli-binary-format", "region", "profile", "max-items", "cli-read-timeout"}
COMPOSED = {"s3 mb", "s3 cp", "logs tail"}
"""Commands that are no operation of a service."""


@pytest.mark.parametrize(
    ("document", "words"), [each for each in commands("aws", PAGES) if " ".join(each[1][:2]) not in COMPOSED]
)
def test_a_call_of_aws_has_what_the_service_takes_and_asks_for(document, words):
    service = botocore.session.get_session().get_service_model(words[0].removesuffix("api"))  # s3api is the service s3
    operation = {xform_name(name, "-"): name for name in service.operation_names}[words[1]]
    shape = service.operation_model(operation).input_shape
    options = {word.removeprefix("--") for word in words if word.startswith("--")} - OF_THE_COMMAND_LINE
    if operation == "PublishLayerVersion":  # the command line makes one of the other
        options = {"content" if option == "zip-file" else option for option in options}
    assert {option.removeprefix("no-") for option in options} <= {xform_name(name, "-") for name in shape.members}
    assert {xform_name(name, "-") for name in shape.required_members} <= options


def test_there_are_such_calls():
    assert len(commands("aws", PAGES)) > 15


@pytest.mark.parametrize("document", DOCS)
def test_resources_and_outputs_that_are_named_exist(document):
    everything = "\n".join(TERRAFORM.values())
    for kind in set(re.findall(r"`(aws_\w+)\.(\w+)`", DOCS[document])):
        assert f'resource "{kind[0]}" "{kind[1]}"' in everything, kind


def test_variables_of_terraform_that_are_named_exist():
    named = {"first-deployment": {"aurora", "snowflake", "vault", "package", "alerts", "schedules"},
             "runbook": {"functions"}, "security": {"environment_variables", "retention"},
             "disaster-recovery": {"region"}}  # fmt: skip
    for document, names in named.items():
        for name in names:
            assert re.search(rf"`{name}\b", DOCS[document]), (document, name)
            assert f'variable "{name}"' in TERRAFORM["terraform"], name


def test_each_alarm_has_its_heading_and_each_heading_its_alarm():
    alarms = (ROOT / "terraform" / "alarms.tf").read_text(encoding="utf-8")
    keys = set(re.findall(r'heading\s+= "([\w-]+)"', alarms)) | set(re.findall(r"runbook\.md#([\w-]+)", alarms))
    headings = re.findall(r"^## (.+)$", DOCS["runbook"], re.MULTILINE)
    assert set(headings) - {"First, whatever it is"} == keys
    parts = re.split(r"^## .+$", DOCS["runbook"], flags=re.MULTILINE)
    for heading, part in zip(headings[1:], parts[2:], strict=True):
        assert re.findall(r"^\*\*(Means|First look|Remedy)\*\*", part, re.MULTILINE) == [
            "Means", "First look", "Remedy"
        ], heading  # fmt: skip


def test_lines_that_are_searched_for_are_told():
    told = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8") + DOCS["security"]
    for event in set(re.findall(r'event = "(\w+)"', "".join(DOCS.values()))):
        assert f"`{event}`" in told, event


@pytest.mark.parametrize("document", DOCS)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", DOCS[document]):
        file, _, anchor = target.partition("#")
        text = (ROOT / "docs" / (file or f"{document}.md")).read_text(encoding="utf-8")
        headings = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-")
                    for each in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}  # fmt: skip
        assert not anchor or anchor in headings, target


def test_a_test_that_is_said_to_have_seen_something_is_there():
    for document in ("disaster-recovery", "security"):
        named = set(re.findall(r"`(tests/[\w/.]+)`", DOCS[document]))
        assert named
        assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_audit_log_s_triggers_are_described():
    text = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in (triggers, audit))
    kinds = set(re.findall(r'"kind": "([\w ]+)"', text))
    table = DOCS["security"].partition("| `trigger.kind`")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([\w ]+)` \|", table, re.MULTILINE)) == kinds


def test_what_recovery_says_of_the_source_is_what_it_says():
    text = (ROOT / "engine" / "preflight.py").read_text(encoding="utf-8")
    assert "the source is at transaction" in text
    assert "the source is at transaction" in DOCS["disaster-recovery"]


def test_what_the_first_deployment_exports_makes_the_configuration_whole_on_a_laptop(tmp_path):
    """Names that Terraform sets in the functions, and the certificates of the layer, are not in the file."""
    exported = dict(re.findall(r'^export (BOREALIS_\w+)="?([^"\n]+)"?$', DOCS["first-deployment"], re.MULTILINE))
    (tmp_path / "global-bundle.pem").touch()
    env = {name: re.sub(r"\$\(.*?\)", "IT", value.replace("$PWD", str(tmp_path))) for name, value in exported.items()}
    config = load(ROOT / "terraform" / "environments" / "dev.toml", env)
    assert config.state.table == "borealis-dev-state"
    assert None not in (config.aws.state_machine, config.aws.snapshot_function, config.aws.audit_log_group)


def test_the_rights_of_who_checks_the_cloud_are_named():
    text = (ROOT / "engine" / "checking" / "account.py").read_text(encoding="utf-8")
    calls = set(re.findall(r"await \w+\.((?:describe|get|list)_\w+)\(", text))
    actions = {"".join(word.title() for word in call.split("_")) for call in calls}
    assert len(actions) == 8
    assert [action for action in actions if f"{action}`" not in DOCS["first-deployment"]] == []
