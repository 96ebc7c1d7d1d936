"""Single values of probes: URLs, addresses, what an answer must be like, patterns.

Promises: as ``values``: a text as written in, what ``core.spec`` holds out; raises only ``Refused``, with what to write
instead. Does not: show what may be a secret (a header's value, a URL's password) in a message.
"""

import re
import warnings

from supervisor.config import values
from supervisor.config.problems import Refused
from supervisor.config.units import duration_seconds, shown

METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH")
OWN_HEADERS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
"""Of which an answer's end and form depend."""
MAX_PATTERN_CHARACTERS = 1000

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_RANGE = re.compile(r"([1-5][0-9][0-9])(?: ?- ?([1-5][0-9][0-9]))?", re.ASCII)
_SERVICE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}", re.ASCII)
_PATH_BYTES = 107


def url(text: str) -> str:
    """The URL of an http probe."""
    scheme, sep, rest = text.partition("://")
    if not sep or scheme.lower() not in ("http", "https"):
        raise Refused(f"{_without_user(text)} is not an http URL", "write http://127.0.0.1:8080/healthz")
    if any(c.isspace() or not c.isprintable() for c in rest) or not rest.isascii():
        remedy = "write them as %20 and so on"
        raise Refused(f"{_without_user(text)} has characters that a URL cannot have", remedy)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    values.address(authority.rpartition("@")[2])
    return f"{scheme.lower()}{sep}{rest}"


def _without_user(text: str) -> str:
    before, at, after = text.rpartition("@")
    return shown(after if at and "/" not in before.partition("://")[2] else text)


def address(text: str) -> str:
    """``host:port``, or a unix socket: ``unix:/run/app.sock``."""
    if text.startswith("unix:"):
        path = "/" + text.removeprefix("unix:").lstrip("/")
        if not text.removeprefix("unix:").startswith("/"):
            raise Refused(f"{shown(text)} is not an absolute path", "write unix:/run/app.sock")
        return f"unix:{_socket(path)}"
    _, port = values.address(text)
    if port is None:
        raise Refused(f"{shown(text)} has no port", f"write {text.removesuffix(':')}:8080")
    return text


def socket_file(text: str) -> str:
    """The path of a unix socket; relative ones are relative to the file they are written in."""
    return _socket(values.path(text))


def _socket(path: str) -> str:
    if len(path.encode()) > _PATH_BYTES:
        raise Refused(f"{shown(path)} is too long", f"the kernel allows a socket's path {_PATH_BYTES} bytes")
    return path


def method(text: str) -> str:
    """A request without a body."""
    return values.choice(text.upper(), METHODS)


def header_name(text: str) -> str:
    """A header that is the user's to set."""
    if not _TOKEN.fullmatch(text):
        raise Refused(f"{shown(text)} is not the name of a header", "write a name such as X-Probe")
    if text.lower() in OWN_HEADERS:
        raise Refused(f"{text} is set by the supervisor", "remove it; the Host comes from the URL")
    return text


def header_value(text: str) -> str:
    """One line of printable ASCII."""
    if not text.isascii() or not text.isprintable():
        raise Refused("the value has characters that a header cannot have", "write printable ASCII, on one line")
    return text


def status_range(text: str) -> tuple[int, int]:
    """``204`` or ``200-399``."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise Refused(f"{shown(text)} is not a status", 'write a number or a range: 204 or "200-399"')
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise Refused(f"{text} ends before it begins", f"write {last}-{first}")
    return first, last


def body_match(text: str) -> tuple[str, str]:
    """A text that the body must contain, or ``/a regular expression/``: one of the pair is empty."""
    if len(text) >= 2 and text.startswith("/") and text.endswith("/"):
        return "", pattern(text[1:-1])
    if not text:
        raise Refused("the text is empty", "write what the body must contain, or leave 'body' out")
    return text, ""


def pattern(text: str) -> str:
    """A regular expression of Python's. How long it may take is bounded when it is used."""
    if not text:
        raise Refused("the pattern is empty: it would match anything", "write what a line must contain")
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise Refused("the pattern is too long", f"write at most {MAX_PATTERN_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python will read otherwise one day
            re.compile(text)
    except (re.error, RecursionError, OverflowError, Warning) as e:
        remedy = "put a backslash before a character of ( ) [ ] { } . * + ? that is meant as it is"
        raise Refused(f"{shown(text)} is not a regular expression: {e}", remedy) from None
    return str(text)


def grpc_service(text: str) -> str:
    """The name of a service, as its health server knows it."""
    if not _SERVICE.fullmatch(text):
        raise Refused(f"{shown(text)} is not a service", "write a name such as billing.v1.Billing, or leave it out")
    return text


def switched_on(text: str) -> bool:
    """A kind of probe that has nothing to say but that it is wanted."""
    if not values.switch(text):
        raise Refused("a probe that is switched off", "leave it out")
    return True


def watchdog_seconds(text: str) -> float:
    """The period of a watchdog."""
    if (seconds := duration_seconds(text)) < 0.1:
        raise Refused(f"{text} is too often", "write 100ms or more")
    return seconds
