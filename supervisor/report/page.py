"""The page itself, and who may have it.

One file with its style and its program inside, which the browser runs because each answer's headers name its nonce, and nothing
else: no other program, no markup made from text, no word to or from any other place. Who asks under a name that is not ours is
refused: a website could have pointed its own name here, and would then be let in by the browser (DNS rebinding).

Promises: pure but for the nonce; the file is read once. Does not: know what the page is told.
"""

import os
import re
import socket
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from supervisor.report.http import Answer, Request

EVENTS: Final = "text/event-stream"
JSON: Final = "application/json"
_NONCE: Final = b"@NONCE@"
_POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_OURS: Final = frozenset({"same-origin", "none"})


def html() -> Answer:
    """The page, with a nonce of its own."""
    nonce = os.urandom(18).hex()
    policy = ("Content-Security-Policy", _POLICY.format(nonce=nonce))
    return Answer(
        status=200,
        body=_file().replace(_NONCE, nonce.encode()),
        content_type="text/html; charset=utf-8",
        headers=(policy, *HEADERS),
    )


@cache
def _file() -> bytes:
    return Path(__file__).with_name("page.html").read_bytes()


def refusal(request: Request, names: Iterable[str]) -> Answer | None:
    """Why somebody gets nothing; None when he may have it. ``names``: of hosts, in lower case, beside addresses and localhost."""
    if not _is_ours(request.header("host") or "", names):
        text = b"this host name is not served here: ask by address, or add it to `web: {names: [...]}` of the file\n"
        return Answer(status=403, body=text, headers=HEADERS)
    site = request.header("sec-fetch-site")
    if site is not None and site not in _OURS and request.path != "/":
        return Answer(status=403, body=b"for the page of this very address only\n", headers=HEADERS)
    return None


def _is_ours(host: str, names: Iterable[str]) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].lower().removesuffix(".")
    return name == "localhost" or name in names or _is_address(name)


def _is_address(name: str) -> bool:
    """A number needs no look-up, so nobody can have pointed it here."""
    family = socket.AF_INET6 if name.startswith("[") else socket.AF_INET
    try:
        socket.inet_pton(family, name.strip("[]"))
    except OSError:
        return False
    return True
