"""Single values of a process's ``log``, as ``values`` has those of everything else."""

from supervisor.config.problems import Refused
from supervisor.config.units import duration_seconds, size_bytes
from supervisor.config.values import choice, whole_number
from supervisor.core.spec import LogTarget

LOG_TARGETS = (*map(str, LogTarget), "none")
FACILITIES = ("daemon", "user", "syslog", "cron", "mail", "auth", "authpriv", *(f"local{n}" for n in range(8)))


def log_target(text: str) -> str:
    """Where lines go, or ``none``."""
    return choice(text, LOG_TARGETS)


def log_size(text: str) -> int:
    """How large a log file may become; ``off`` is 0: as large as it likes."""
    if text == "off":
        return 0
    if (size := size_bytes(text)) < 1000:
        raise Refused(f"{text} is too small for a log file", "write 1kB or more, or off")
    return size


def log_age(text: str) -> float:
    """How often a log file is rotated."""
    if (seconds := duration_seconds(text)) < 60:
        raise Refused(f"{text} is too short for a log file", "write 1m or more, such as 1h or 1d")
    return seconds


def keep(text: str) -> int:
    """How many old log files stay."""
    return whole_number(text, most=1000)


def compression(text: str) -> bool:
    """``gzip`` or ``off``."""
    return choice(text, ("gzip", "off")) == "gzip"


def log_format(text: str) -> bool:
    """``json`` or ``text``."""
    return choice(text, ("text", "json")) == "json"


def facility(text: str) -> str:
    """A facility of syslog's."""
    return choice(text, FACILITIES)
