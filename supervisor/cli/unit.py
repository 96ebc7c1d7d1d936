"""The systemd unit that a daemon runs, or would run, under: as ``systemctl show`` has it.

Promises: a machine without systemd has no unit, and that is no error.
"""

import re
import subprocess
from pathlib import Path
from typing import Final

from supervisor.core.fitness.facts import UnitFacts

DEFAULT: Final = "supervisor.service"
_ASKED: Final = (
    "LoadState", "KillMode", "Delegate", "WatchdogUSec", "LimitMEMLOCK", "LimitRTPRIO", "LimitNOFILE", "TimeoutStopUSec",
    "Restart", "Type", "ExecStart",
)  # fmt: skip
_SPANS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_TIMEOUT_SECONDS: Final = 10.0


def of_daemon(pid: int) -> UnitFacts | None:
    """The unit that a running daemon is in."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        units = [part for part in line.split(":", 2)[2].split("/") if part.endswith(".service")]
        if units and not units[-1].startswith("user@"):
            return show(units[-1], user=len(units) > 1 and units[0].startswith("user@"))
    return None


def of_file(file: Path) -> UnitFacts | None:
    """The unit that is installed to run this file, if one is: the plain one, or an instance of the name of the file."""
    naming = str(file.absolute())
    return show(DEFAULT, naming=naming) or show(f"supervisor@{file.stem}.service", naming=naming)


def show(name: str, *, user: bool = False, naming: str = "") -> UnitFacts | None:
    """The unit by name; None when there is none, or when its command line does not have ``naming``."""
    systemctl = ["systemctl", *(["--user"] if user else [])]
    command = [*systemctl, "show", *(f"--property={key}" for key in _ASKED), "--", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    found = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    if found.get("LoadState") != "loaded" or naming not in found.get("ExecStart", ""):
        return None
    if (
        found.get("WatchdogUSec") == "infinity"
    ):  # what systemd says of one that was never started, whatever its file says
        found["WatchdogUSec"] = _written([*systemctl, "cat", "--", name], "WatchdogSec")
    return facts(name, found)


def _written(command: list[str], key: str) -> str:
    """The last value that the unit's files give to a key; empty for none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    values: list[str] = re.findall(rf"^{key}=(.*)$", done.stdout, flags=re.MULTILINE)
    return values[-1].strip() if values else ""


def facts(name: str, found: dict[str, str]) -> UnitFacts:
    """What ``systemctl show`` printed, as facts."""
    return UnitFacts(
        name=name,
        kill_mode=found.get("KillMode", ""),
        delegate=found.get("Delegate") == "yes",
        watchdog_seconds=span(found.get("WatchdogUSec", "")),
        memlock=_limit(found.get("LimitMEMLOCK", "")),
        rtprio=_limit(found.get("LimitRTPRIO", "")),
        nofile=_limit(found.get("LimitNOFILE", "")),
        stop_seconds=span(found.get("TimeoutStopUSec", "")),
        restart=found.get("Restart", ""),
        notify=found.get("Type", "").startswith("notify"),
    )


def span(text: str) -> float:
    """``1min 30s`` in seconds; 0 for what is no span, and for ``infinity``, which for a watchdog is none."""
    if text.isdigit():  # as a unit's file may have it
        return float(text)
    return sum(float(number) * _SPANS[unit] for number, unit in re.findall(r"([\d.]+)(us|ms|s|min|h|d|w)\b", text))


def _limit(text: str) -> int:
    return int(text) if text.isdigit() else -1
