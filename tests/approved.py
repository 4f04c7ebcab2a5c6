"""Approved statements: a file of all that a family of builders says, which reviewers read and tests compare.

`BOREALIS_APPROVE=1 pytest tests/unit/test_sql_target.py` writes the files anew; the diff is what is to be approved.
"""

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "unit" / "approved"


def agree(file: str, statements: Mapping[str, str | list[str] | None]) -> None:
    """The statements, each under its name, are those of the file. Lines are folded at blanks."""
    text = "\n".join(f"-- {name}\n{_folded(statement)}\n" for name, statement in statements.items())
    if os.environ.get("BOREALIS_APPROVE"):
        (FOLDER / file).write_text(text, encoding="utf-8")
    assert text == (FOLDER / file).read_text(encoding="utf-8"), (
        "if it shall be said so, write it anew and read the diff"
    )


def _folded(statement: str | list[str] | None) -> str:
    if not isinstance(statement, str):
        return "\n".join(map(_folded, statement or ["none"]))
    lines = textwrap.wrap(statement, 118, break_long_words=False, break_on_hyphens=False, subsequent_indent="    ")
    return "\n".join(lines) + ";"
