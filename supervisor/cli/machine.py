"""What ``doctor`` looks at of this machine: clocks, what a guardian gets, the unit; and of a daemon that runs here.

Promises: nothing is changed; trials run in a process of their own. What cannot be looked at is left out.
"""

import json
import os
import pwd
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from supervisor import interpreter
from supervisor.control import views
from supervisor.control.client import Client, ControlError
from supervisor.core.fitness.facts import ClockFacts, GuardianFacts, TrialFacts
from supervisor.guardian import trial

_SOURCES: Final = Path("/sys/devices/system/clocksource/clocksource0")
_TRIAL_TIMEOUT_SECONDS: Final = 20.0


def daemon(socket: Path | None) -> views.Status | None:
    """What a daemon at this socket says; None when none answers."""
    if socket is None or not socket.exists():
        return None
    try:
        with Client(socket) as connected:
            return connected.status("")
    except ControlError:
        return None


def clock() -> ClockFacts:
    """Of this machine."""
    suspended = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    cpu = _read(Path("/proc/cpuinfo"))
    return ClockFacts(
        source=_read(_SOURCES / "current_clocksource").strip() or None,
        available=tuple(_read(_SOURCES / "available_clocksource").split()),
        suspended_seconds=suspended,
        hypervisor=" hypervisor" in cpu or Path("/sys/hypervisor/type").exists(),
        steal_share=_steal(_read(Path("/proc/stat"))),
    )


def _steal(stat: str) -> float | None:
    """Of all processor time since the boot."""
    first = stat.partition("\n")[0].split()
    if len(first) < 9 or first[0] != "cpu":
        return None
    ticks = [int(word) for word in first[1:9]]  # guest time is part of user time
    return ticks[7] / max(1, sum(ticks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What a process of its own found out."""

    guardian: GuardianFacts
    facts: TrialFacts


def trials() -> Trials | str:
    """Run them; why they could not be run."""
    argv = interpreter.command(Path(trial.__file__))
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=_TRIAL_TIMEOUT_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    try:
        found = json.loads(done.stdout)
        return Trials(
            guardian=GuardianFacts(of=f"a trial as {_me()}", words=tuple(found["words"]), **found["strength"]),
            facts=TrialFacts(**{key: found[key] for key in TrialFacts.__slots__}),
        )
    except (ValueError, KeyError, TypeError):
        said = (done.stderr or done.stdout).strip()[-200:]
        return f"the trial said: {said or f'nothing, exit code {done.returncode}'}"


def guardian(pid: int) -> GuardianFacts | None:
    """What the running one has."""
    try:
        return GuardianFacts(of=f"the running guardian (pid {pid})", **trial.strength(pid))  # type: ignore[arg-type] # its own fields
    except (OSError, ValueError):
        return None  # another user's, as seen by us; or it has ended


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
