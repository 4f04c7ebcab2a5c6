"""Mutation testing of the modules that decide: each small change of theirs must turn one of their own tests red.

`python -m tests.mutants [FILE ...]` prints what survived, and fails where a file has less than 90 % killed.

The changes are mutmut's, but made everywhere: mutmut by itself leaves out what stands in properties, in tables at the
top of a module and between the braces of an f-string, which is where types are mapped and SQL is written. A mutant is
a fork that imports the changed source and runs tests/unit/test_NAME*.py, NAME being the module or its package.
"""

import gc
import itertools
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

import libcst as cst
import pytest
from hypothesis import Phase, settings
from libcst.metadata import MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation.mutators import mutation_operators

ROOT = Path(__file__).parents[1]
DECIDING = [
    *(ROOT / "engine" / f"{name}.py" for name in ("plan", "ledger", "deadline")),
    *(path for name in ("sql", "typemap") for path in sorted((ROOT / "engine" / name).glob("*.py"))),
]
KILLED_MIN = 0.9
CPU_S_MAX = 30
"""Of one mutant: one that never ends is as good as killed."""
MEMORY_BYTES_MAX = 4 * 2**30
QUIET = ["-x", "--tb=no", "--assert=plain", "--noconftest", "-pno:cacheprovider", "-pno:unraisableexception"]


def reworded(node: cst.FormattedStringText) -> Iterator[cst.FormattedStringText]:
    yield node.with_changes(value=f"XX{node.value}XX")


OPERATORS = [*mutation_operators, (cst.FormattedStringText, reworded)]


@dataclass(frozen=True, slots=True)
class Mutant:
    path: Path
    line: int
    source: str

    def __str__(self) -> str:
        """Where it is, and its lines that were not there before."""
        before = self.path.read_text().splitlines()
        changed = [line.strip() for line in self.source.splitlines() if line not in before]
        return f"{self.path.relative_to(ROOT)}:{self.line}: {' '.join(changed) or 'a line less'}"


class Changes(cst.CSTVisitor):
    """Pairs of a node and what it becomes; as mutmut, not in annotations, decorators and what is asked by len()."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        asked = isinstance(node, cst.Call) and getattr(node.func, "value", "") in ("len", "isinstance")
        if asked or isinstance(node, cst.Annotation | cst.Decorator):
            return False
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                self.found += [(node, mutated) for mutated in operator(node)]
        return True


def mutants_of(path: Path) -> Iterator[Mutant]:
    text = path.read_text()
    begins = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]
    wrapper = MetadataWrapper(cst.parse_module(text))
    spans = wrapper.resolve(WhitespaceInclusivePositionProvider)
    changes = Changes()
    wrapper.module.visit(changes)
    for node, mutated in changes.found:
        first, end = spans[node].start, spans[node].end
        before, after = text[: begins[first.line - 1] + first.column], text[begins[end.line - 1] + end.column :]
        yield Mutant(path, first.line, before + wrapper.module.code_for_node(mutated) + after)


def survives(mutant: Mutant) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(tried(mutant))
    _, status = os.waitpid(child, 0)
    return status == 0


def tried(mutant: Mutant) -> int:
    """The exit code of pytest where the mutant is imported in place of its file."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    as_found = SourceFileLoader.get_code
    SourceFileLoader.get_code = lambda loader, name: (
        compile(mutant.source, loader.path, "exec") if loader.path == str(mutant.path) else as_found(loader, name)
    )
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    name = mutant.path.relative_to(ROOT / "engine").with_suffix("").parts[0]
    tests = sorted(map(str, (ROOT / "tests" / "unit").glob(f"test_{name}*.py")), reverse=True)  # approved ones first
    return pytest.main([*QUIET, *tests])


def main(paths: list[Path]) -> bool:
    """Whether enough were killed in each file."""
    settings.register_profile(
        "mutants", database=None, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate]
    )
    settings.load_profile("mutants")
    pytest.main(
        [*QUIET, "--collect-only", "-q", __file__]
    )  # what pytest itself needs is imported once, before all forks
    gc.freeze()
    assert all(survives(Mutant(path, 0, path.read_text())) for path in paths), "without a change the tests must pass"
    enough, began = True, monotonic()
    with get_context("fork").Pool(int(os.environ.get("JOBS", "0")) or None) as pool:
        mutants = [mutant for path in paths for mutant in mutants_of(path)]
        judged = zip(mutants, pool.imap(survives, mutants), strict=True)
        for path, group in itertools.groupby(judged, key=lambda item: item[0].path):
            lived = [(mutant, lives) for mutant, lives in group]
            survivors = [str(mutant) for mutant, lives in lived if lives]
            share = 1 - len(survivors) / len(lived)
            enough &= share >= KILLED_MIN
            lines = [*survivors, f"{path.relative_to(ROOT)}: {len(lived)} mutants, {share:.1%} killed"]
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(mutants)} mutants in {monotonic() - began:.0f} s\n")
    return enough


if __name__ == "__main__":
    sys.exit(not main([Path(argument).resolve() for argument in sys.argv[1:]] or DECIDING))
