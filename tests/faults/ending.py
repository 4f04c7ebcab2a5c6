"""How a run of a simulation may end: as its fault says, or with an answer that says what to do.

well_formed(outcome, fault)       BrokenError says what is not as documented
"""

from __future__ import annotations

from tests.faults.launcher import Outcome
from tests.faults.scenario import Fault

DEADLY = {"kill": (-9,), "kill at": (-9,), "terminate": (143, -15)}
"""The exit codes of a run that such a fault has struck; -15 where it had told how it ended already."""


class BrokenError(AssertionError):
    """What must hold does not."""


def well_formed(outcome: Outcome, fault: Fault) -> None:
    """It ends as documented, and what fails says what to do."""
    if outcome.code in DEADLY.get(fault.what, ()):
        return
    output = outcome.output
    if outcome.code not in (0, 1, 3) or output is None:
        raise BrokenError(f"ended with {outcome.code}:\n{outcome.log}")
    told = [output.get("error"), *(each.get("error") for each in output.get("tables", ()))]
    for error in (each for each in told if each):
        if error["code"] == "unexpected" or not (error["remedy"] or error["code"] in ("refused", "lease")):
            raise BrokenError(f"an unclear error: {error}\n{outcome.log}")
    if "Traceback" in outcome.log:
        raise BrokenError(f"a traceback:\n{outcome.log}")
    for receipt in output.get("tables", ()):
        if receipt.get("status") == "COMPLETE" and receipt.get("rows_read") != receipt.get("rows_loaded"):
            raise BrokenError(f"read {receipt['rows_read']} and loaded {receipt['rows_loaded']}")


def in_short(outcome: Outcome) -> str:
    if outcome.output is None:
        return outcome.log.strip().splitlines()[-1][:200] if outcome.log.strip() else ""
    told = outcome.output
    tables = [
        f"{each.get('status')} {each.get('mode')} {each.get('rows_read')} rows of {each.get('chunks')} chunks,"
        f" watermark {each.get('watermark')}, {each.get('notes')} {each.get('error') or ''}"
        for each in told.get("tables", ())
    ]
    return f"{told.get('status')} {told.get('duplicate', '')} {told.get('error') or ''} {'; '.join(tables)}"
