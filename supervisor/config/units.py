"""Durations and sizes as people write them: ``500ms``, ``1h30m``, ``50MB``, ``64KiB``.

Promises: a number without a unit is refused, never guessed. Raises only ``Refused``.
"""

import re

from supervisor.config.problems import Refused

SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES_PER_UNIT = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
MAX_DURATION_SECONDS = 365 * 86400.0
"""Longer than anything here is meant to last; timers downstream need not wonder."""
MAX_SIZE_BYTES = 2**60

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)", re.ASCII)
_DURATION = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]+)", re.ASCII)


def duration_seconds(text: str, *, most_seconds: float = MAX_DURATION_SECONDS) -> float:
    """Seconds of ``500ms``, ``10s``, ``2m``, ``1h``, ``1d`` or several of them (``1m30s``); from 0 to ``most_seconds``."""
    if _NUMBER.fullmatch(text):
        raise Refused(f"{text} says no unit", f"write {text}s for seconds, or one of {text}ms, {text}m, {text}h")
    if not _DURATION.fullmatch(text):
        raise Refused(f"{shown(text)} is not a duration", "write a number and a unit: 500ms, 10s, 2m or 1h")
    seconds = sum(_seconds(number, unit) for number, unit in _PART.findall(text))
    if seconds > most_seconds:
        raise Refused(f"{text} is too long", f"write at most {most_seconds:.0f}s")
    return seconds


def _seconds(number: str, unit: str) -> float:
    # Dividing keeps 100ms exactly 0.1; multiplying by 0.001 would not.
    return float(number) / 1000 if unit == "ms" else float(number) * SECONDS_PER_UNIT[unit]


def size_bytes(text: str) -> int:
    """Bytes of ``50MB`` (10^6 each) or ``64KiB`` (2^10 each)."""
    if _NUMBER.fullmatch(text):
        raise Refused(f"{text} says no unit", f"write {text}MB, or {text}B for bytes")
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Refused(f"{shown(text)} is not a size", "write a number and a unit: 64KiB, 50MB or 1GiB")
    number, unit = match.groups()
    if unit not in BYTES_PER_UNIT:
        raise Refused(f"{shown(unit)} is not a unit of size", f"write one of {', '.join(BYTES_PER_UNIT)}")
    size = round(float(number) * BYTES_PER_UNIT[unit])
    if size > MAX_SIZE_BYTES:
        raise Refused(f"{text} is too large", "write at most 1000000TB")
    return size


def shown(text: str, *, most: int = 60) -> str:
    """A value of the file inside a message: quoted, on one line, and cut before it gets long."""
    quoted = repr(str(text))
    return quoted if len(quoted) <= most else f"{quoted[: most - 4]}...{quoted[0]}"
