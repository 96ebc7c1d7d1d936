"""Single values of what the outside is told: addresses to listen at, kinds of events, URLs.

Promises: as ``values``: a text as written in, what ``core.outside`` holds out; raises only ``Refused``, with what to write
instead. Does not: show a URL, which may hold a secret.
"""

from supervisor.config import values
from supervisor.config.problems import Refused
from supervisor.config.units import shown
from supervisor.core.kinds import Kind

ALL = "all"


def listening(text: str) -> tuple[str, int]:
    """``host:port`` to listen at; an empty host would be every address of the machine, so it must be written out."""
    if text.isdigit() or text.startswith(":"):
        remedy = f"write 127.0.0.1:{text.removeprefix(':')}"
        raise Refused(f"{shown(text)} does not say which address to listen at", remedy)
    host, port = values.address(text)
    if port is None:
        raise Refused(f"{shown(text)} names no port", f"write {text}:9977")
    return host, port


def kind(text: str) -> str:
    """A kind of event, or all of them."""
    return values.choice(text, [ALL, *(k.value for k in Kind)])


def retries(text: str) -> int:
    """How often again: 0 to 100."""
    return values.whole_number(text, most=100)
