"""The daemon's own log lines: one event, one line, for people first and machines second.

Promises: a line is always one line and holds no control character, whatever its message and values say; a value with
anything but plain text in it is quoted so that ``key=value`` can be read back; under the journal the level travels as the
priority and the time is left to the journal. A password in a URL is blanked.
Does not: write anywhere, read a clock, know what happened (``transitions`` does), or recognise other secrets: they are
never given to it.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from supervisor.core import harmless

Value = str | int | float | bool | None


class Level(StrEnum):
    """How much a line matters."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    """Something to look at; the supervisor goes on."""
    ERROR = "error"
    """Something does not work until somebody acts."""


_PRIORITY: Final = {Level.DEBUG: 7, Level.INFO: 6, Level.WARN: 4, Level.ERROR: 3}
"""syslog's numbers, as sd-daemon(3) has them at the beginning of a line."""

_PLAIN = re.compile(r'[^\s"=\\]+\Z')
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/@:]*):[^\s/@]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """What is said. Begin ``message`` with the election or process it is about: ``billing: became leader``."""

    level: Level
    message: str
    fields: Mapping[str, Value] = field(default_factory=dict)
    """In the order given; None is left out."""


def render(line: LogLine, now_wall: datetime, *, journal: bool) -> str:
    """The line without its newline: ``2026-11-24T05:00:00.123Z info  billing: became leader token=1234``.

    ``journal`` gives ``<6>billing: became leader token=1234`` instead. ``now_wall`` must know its time zone.
    """
    words = [harmless.line(_without_password(line.message))]
    words += [f"{key}={_shown(value)}" for key, value in line.fields.items() if value is not None]
    text = " ".join(words)
    if journal:
        return f"<{_PRIORITY[line.level]}>{text}"
    stamp = now_wall.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return f"{stamp}Z {line.level:<5} {text}"


def is_journal(environ: Mapping[str, str], fd: int) -> bool:
    """Whether a descriptor leads to the journal: JOURNAL_STREAM names its device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return str(value)
    text = _without_password(value or "")
    if _PLAIN.match(text) and not harmless.HARMFUL.search(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{harmless.line(quoted)}"'


def _without_password(text: str) -> str:
    return _URL_PASSWORD.sub(r"\1:***@", text)
