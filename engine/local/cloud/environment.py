"""One execution environment of a function: a process under the real runtime client, with Lambda's limits.

It runs one invocation at a time and is frozen (SIGSTOP) in between, so that what a handler left running stands still.
It is killed past its time or its memory, and is gone then, as it is when the process ends by itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.local.cloud.runtime import Posted, RuntimeApi, Work

INIT_S_MAX = 60.0  # 10 in the service, which then begins again within the invocation's time; a laptop is shared
POLL_S = 0.05  # memory is looked at this often; one look costs 0.05 ms
STOP_S = 10.0
ROOT = Path(__file__).resolve().parents[3]

Outcome = Literal["ok", "error", "timeout", "memory", "exit", "init"]
"""How an invocation ended: `error` was raised by the handler, `init` by its import; at `timeout`, `memory` and `exit`
the process is gone."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What Terraform sets for a function of the service."""

    handler: str
    """`module.attribute`"""
    memory_mb: int = 512
    timeout_s: float = 30.0
    env: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 10
    """Environments at once; the next invocation is throttled."""
    on_failure: str | None = None
    """URL of the SQS queue that is the destination of events that failed asynchronously."""
    code: Path = ROOT
    """Where `handler` is imported from: the unpacked package."""
    python: Sequence[str] = (sys.executable,)
    """The interpreter, with options: another version, or one that sees nothing but the package."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One invocation as its environment saw it."""

    outcome: Outcome
    posted: Posted | None
    seconds: float
    remaining_s: float
    """Until the time limit, at the end."""


class Environment:
    """Started by its first invocation. One thread at a time; `kill` comes from any."""

    def __init__(self, name: str, spec: FunctionSpec, directory: Path, variables: Mapping[str, str]) -> None:
        self.id = directory.name
        self.spec = spec
        self.log = directory / "log"
        """All that the process ever printed, with the platform's own lines."""
        self.init_s = 0.0
        self.memory_mb = 0
        """The most that was ever seen in use."""
        self._api = RuntimeApi()
        self._gone = False
        temporary = directory / "tmp"
        temporary.mkdir(parents=True)
        own = _variables(name, self.id, spec, self._api.address, variables) | {
            "TMPDIR": str(temporary),
            "HOME": str(directory / "home"),  # not there, as in the service: what is kept goes to /tmp
        }
        with self.log.open("ab") as log:
            # A process group of our session: if we die it is orphaned, so the kernel sends it SIGHUP, frozen or not.
            self._process = subprocess.Popen(
                [*spec.python, "-m", "awslambdaric", spec.handler], cwd=spec.code, env=own, process_group=0,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        threading.Thread(target=self._await_exit, name=f"environment-{self.id}", daemon=True).start()

    def start(self) -> Posted | None:
        """Waits for the import of the handler; what it raised, or nothing. Without either the process is gone."""
        began = time.monotonic()
        with self._api.changed:
            self._api.wait_until(lambda: self._api.waiting or bool(self._api.posted) or self._gone, INIT_S_MAX)
            self.init_s = time.monotonic() - began
            ready, posted = self._api.waiting, self._api.posted
        if not ready:
            self.kill()
        return posted

    def run(self, work: Work) -> Ended:
        """Call only where the environment is alive and idle."""
        began = time.monotonic()
        give_up = began + work.deadline_at - time.time()
        self._signal(signal.SIGCONT)
        with self._api.changed:
            self._api.hand_out(work)
            outcome: Outcome | None = None
            while outcome is None:
                self._api.wait_until(self._settled, min(POLL_S, give_up - time.monotonic()))
                outcome = self._outcome(give_up)
            posted = self._api.posted
        seconds = time.monotonic() - began
        self._look_at_memory()
        if outcome in {"ok", "error"} and self.alive:
            self._signal(signal.SIGSTOP)
        else:
            self.kill()
        return Ended(outcome, posted, seconds, give_up - time.monotonic())

    @property
    def alive(self) -> bool:
        return not self._gone

    @property
    def exit_told(self) -> str:
        """How the process ended, in the service's words."""
        code = self._process.returncode
        if not code:
            return "exited without providing a reason"
        return f"exited with error: exit status {code}" if code > 0 else f"exited with error: signal {-code}"

    def kill(self) -> None:
        """At once, with all of its children; nothing is left when it returns."""
        self._signal(signal.SIGKILL)
        with self._api.changed:
            self._api.wait_until(lambda: self._gone, STOP_S)
        self._api.close()

    def _settled(self) -> bool:
        return self._gone or (self._api.posted is not None and self._api.waiting)

    def _outcome(self, give_up: float) -> Outcome | None:
        """None while it runs. An answer counts even if the process did not outlive it."""
        posted = self._api.posted
        late = time.monotonic() >= give_up
        if posted is not None and (self._gone or self._api.waiting or late):
            return "ok" if posted.kind == "response" else "error"
        if self._gone:
            return "exit"
        if late:
            return "timeout"
        return "memory" if self._look_at_memory() > self.spec.memory_mb else None

    def _look_at_memory(self) -> int:
        self.memory_mb = max(self.memory_mb, _peak_mb(self._process.pid))
        return self.memory_mb

    def _await_exit(self) -> None:
        self._process.wait()
        with self._api.changed:
            self._gone = True
            self._api.changed.notify_all()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone; on some systems its group is a zombie's
            os.killpg(self._process.pid, number)


def _variables(name: str, stream: str, spec: FunctionSpec, api: str, more: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the process: what the service sets, what the function adds, nothing of ours."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(spec.code),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "_HANDLER": spec.handler,
        "LAMBDA_TASK_ROOT": str(spec.code),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_RUNTIME_API": api,
        **more,
        **spec.env,
    }


def _peak_mb(pid: int) -> int:
    """MiB that the process and its children ever had resident; 0 where it is gone or there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    kib, children = 0, ""
    with contextlib.suppress(OSError):
        kib = next((int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:")), 0)
        children = "".join(file.read_text() for file in status.parent.glob("task/*/children"))
    return kib // 1024 + sum(_peak_mb(int(child)) for child in children.split())
