"""docs/configuration.md says of each setting what the models say, and of nothing else."""

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ByteSize, SecretStr
from pydantic.fields import FieldInfo

from engine.config import (
    Aws,
    ColumnOptions,
    Limits,
    Source,
    Stage,
    State,
    TableDefaults,
    TableOptions,
    Target,
    Vault,
)
from engine.config_faults import settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
SECTIONS: dict[str, tuple[type[BaseModel], set[str]]] = {
    "[source]": (Source, set()),
    "[target]": (Target, set()),
    "[[tables]]": (TableOptions, set(TableDefaults.model_fields)),
    "[defaults]": (TableDefaults, set()),
    "[tables.columns.NAME]": (ColumnOptions, set()),
    "[limits]": (Limits, set()),
    "[state]": (State, set()),
    "[vault]": (Vault, set()),
    "[stage]": (Stage, set()),
    "[aws]": (Aws, set()),
}
WORDS = {str: "text", bool: "true or false", int: "integer", float: "number", SecretStr: "secret text", Path: "path"}


def type_in_words(annotation: object) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        return type_in_words(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(f"`{word}`" for word in typing.get_args(annotation))
    if typing.get_origin(annotation) is tuple:
        return f"list of {type_in_words(typing.get_args(annotation)[0])}"
    if typing.get_origin(annotation) is dict:
        return "section"
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return type_in_words(next(each for each in typing.get_args(annotation) if each is not type(None)))
    if annotation is ByteSize:
        return "bytes"
    return WORDS[annotation]


def default_in_words(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if field.default_factory is not None:
        return "none"
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, ByteSize):
        return f"`{default // 1024**2}MiB`"
    if isinstance(default, tuple):
        return "`[" + ", ".join(f'"{each}"' for each in default) + "]`"
    return f'`"{default}"`' if isinstance(default, str | Path) else f"`{default}`"


def rows(model: type[BaseModel], elsewhere: set[str]) -> Iterator[str]:
    for name, field in settings(model).items():
        if name not in elsewhere:
            yield f"| `{name}` | {type_in_words(field.annotation)} | {default_in_words(field)} | {field.description} |"


@pytest.mark.parametrize("section", SECTIONS)
def test_the_document_has_exactly_the_settings_of_the_models(section):
    """A row that is missing, stale or invented fails, and the failure shows the rows that belong there."""
    expected = list(rows(*SECTIONS[section]))
    text = DOCUMENT.read_text(encoding="utf-8")
    chapter = re.search(rf"^## `{re.escape(section)}`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert chapter, f"docs/configuration.md has no chapter ## `{section}`"
    assert [line for line in chapter[1].splitlines() if line.startswith("| `")] == expected, "\n".join(expected)


def test_every_chapter_of_settings_is_a_section_of_the_models():
    headings = re.findall(r"^## `(\[.*\])`$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == list(SECTIONS)
