"""Odd texts, as names, settings and values; and how many are tried."""

import functools
from collections.abc import Callable

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

from tests.proof import Proof

ODD_PARTS = [
    '"', "'", ";", "--", "/*", "*/", "\\", "$$", "$1", "{", "}", "{}", "{0.__class__}", "{{ 7*7 }}", "%s", "%", "`",
    ".", "..", "/", "../", "~", "@", "#", "?", "%2e%2e", "\n", "\r", "\t", "\x1b[2J", "\x00",
    "\u2028", "\u202e", "\ufeff",
    "🦆", "漢字", "ß", "İ", "=1+1", "*", "x", "A", " ", "DROP TABLE canary", '"; DROP TABLE canary; --', "[/red]",
]  # fmt: skip
ODD_TEXT = st.lists(st.sampled_from(ODD_PARTS) | st.text(max_size=3), max_size=6).map("".join)


def _as_name(text: str) -> str:
    """What PostgreSQL takes for one: no NUL, no half characters, 63 bytes of UTF-8 at most, not nothing."""
    clean = "".join(char for char in text if char != "\x00" and not "\ud800" <= char <= "\udfff")
    return clean.encode()[:63].decode(errors="ignore") or "x"


NAMES = st.one_of(ODD_TEXT, st.text(max_size=70)).map(_as_name)


def fuzzed(proof: Proof, usual: int) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """`usual` inputs, and more of them for a proof; their seed is printed, and BOREALIS_SEED replays them."""
    examples = proof.times(usual)

    def decorate(test: Callable[[], None]) -> Callable[[], None]:
        chosen = settings(
            max_examples=examples, deadline=None, database=None, print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )  # fmt: skip
        random = seed(proof.seed())(chosen(test))

        @functools.wraps(test)
        def tried() -> None:
            random()
            proof("inputs fuzzed", examples)

        return tried

    return decorate
