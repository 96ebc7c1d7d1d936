"""Single values of the file: what each kind of text may look like, and what it becomes.

Promises: every function takes a text as written and returns what ``core.spec`` holds; raises only ``Refused``, with
what to write instead. Does not: know which key a value belongs to, or look at any other value.
"""

import difflib
import ipaddress
import math
import re
import resource
import shlex
import signal
from collections.abc import Iterable
from pathlib import Path

from supervisor.config.problems import Refused
from supervisor.config.tree import Kind, Leaf
from supervisor.config.units import duration_seconds, shown, size_bytes

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
MAX_COUNT = 1_000_000
MAX_SUGGESTED = 200
"""Beyond so many known words, looking for the nearest costs more than it helps."""
SIGNALS = tuple(sorted(s.name for s in signal.Signals))
LIMITS = tuple(sorted(n.removeprefix("RLIMIT_").lower() for n in dir(resource) if n.startswith("RLIMIT_")))
OWN_VARIABLES = frozenset(
    f"SUPERVISOR_{name}"
    for name in (
        "NODE", "ELECTION", "ROLE", "PROCESS", "FENCING_TOKEN", "ELECTION_KEY", "LEASE_ID", "TERM", "LEADER",
        "HOOK", "CAUSE", "LOST", "LATE", "GAVE_UP", "LEADER_TOKEN", "LEADER_VALUE", "MAIN_PID",
    )
)  # fmt: skip
"""What every child is given; a file that sets them would lie to it, and hide it from those who look for leftovers."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})", re.ASCII)
_ADDRESS = re.compile(r"(\[[^\]]*\]|[^:/?#@\[\]\s]*)(?::([^/?#@\s]*))?", re.ASCII)
_NAMESPACE = re.compile(r"/?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]*(:[A-Za-z0-9_][A-Za-z0-9_.@$-]*)?", re.ASCII)
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
_OF_A_SHELL = frozenset({"|", "||", "&", "&&", ">", ">>", "<", "2>&1"})


def suggestion(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` for the nearest known word, else all of them."""
    words = list(known)
    if len(words) > MAX_SUGGESTED:
        return "check the spelling"
    begun = [other for other in words if len(word) > 2 and other.startswith(word)]
    near = begun[:1] or difflib.get_close_matches(word[:100], words, 1)
    return f"did you mean {near[0]!r}?" if near else f"write one of: {', '.join(words)}"


def name(text: str) -> str:
    """A name of a node, election or process: part of keys in etcd, of file names and of command lines."""
    if not NAME.fullmatch(text):
        raise Refused(
            f"{shown(text)} cannot be a name",
            "use up to 100 letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )
    return text


MAX_PRIORITY = 1000


def kept_terms(text: str) -> int:
    """How many terms are kept: 0 to 1000."""
    return whole_number(text, most=1000)


def whole_number(text: str, *, least: int = 0, most: int = MAX_COUNT) -> int:
    """A plain decimal number; YAML's octal (``010``) and others are refused, since people mean something else."""
    if not _DECIMAL.fullmatch(text):
        raise Refused(f"{shown(text)} is not a whole number", f"write digits only, from {least} to {most}")
    if not least <= (number := int(text)) <= most:
        raise Refused(f"{text} is out of range", f"write a number from {least} to {most}")
    return number


def priority(text: str) -> int:
    """A whole number, below zero as well."""
    number = whole_number(text.removeprefix("-"), most=MAX_PRIORITY)
    return -number if text.startswith("-") else number


def choice(text: str, known: Iterable[str]) -> str:
    """One of the ``known`` words."""
    words = tuple(known)
    if text not in words:
        raise Refused(f"{shown(text)} is not one of {', '.join(words)}", suggestion(text, words))
    return text


def switch(text: str) -> bool:
    """``on`` or ``off``, and the other words by which YAML knows them."""
    word = text.lower()
    if word not in _SWITCH:
        raise Refused(f"{shown(text)} is neither on nor off", suggestion(word, ["on", "off"]))
    return _SWITCH[word]


def ttl_seconds(text: str) -> int:
    """A TTL for a lease: whole seconds, within what etcd grants.

    etcd's least is 3/2 of its election timeout, rounded up: 2 s at its defaults (``minLeaseTTL``, server/etcdserver).
    Its most is 9,000,000,000 s (``MaxLeaseTTL``, server/lease/lessor.go).
    """
    seconds = duration_seconds(text, most_seconds=9_000_000_000)
    if seconds < 2:
        raise Refused(
            f"{text} is below etcd's minimum", "write 2s or more: etcd raises shorter leases to 2s by default"
        )
    if seconds != int(seconds):
        raise Refused(
            f"{text} is not in whole seconds", f"etcd grants leases in whole seconds: write {math.ceil(seconds)}s"
        )
    return int(seconds)


def signal_name(text: str) -> str:
    """``SIGTERM`` for ``TERM``, ``sigterm`` and ``SIGTERM``."""
    word = text.upper()
    for candidate in (word, f"SIG{word}"):
        if candidate in SIGNALS:
            return candidate
    if _DECIMAL.fullmatch(text) and any(int(text) == s for s in signal.Signals):
        raise Refused(f"signal {text} is a number", f"write its name: {signal.Signals(int(text)).name}")
    near = difflib.get_close_matches(f"SIG{word.removeprefix('SIG')}"[:20], SIGNALS, 1)
    raise Refused(
        f"{shown(text)} is not a signal", f"write {near[0] if near else 'SIGTERM, SIGINT, SIGQUIT or another'}"
    )


def umask(text: str) -> int:
    """``022`` read in octal, as everyone writes it."""
    digits = text.removeprefix("0o")
    if not re.fullmatch(r"0?[0-7]{1,3}", digits, re.ASCII):
        raise Refused(f"{shown(text)} is not an octal mask", 'write three octal digits: "022"')
    return int(digits, 8)


def user(text: str) -> str:
    """``name`` or ``name:group``, numbers allowed."""
    if not _USER.fullmatch(text):
        raise Refused(f"{shown(text)} is not a user", "write name or name:group")
    return text


def limit_name(text: str) -> str:
    """An rlimit by its lower-case name."""
    if text not in LIMITS:
        raise Refused(f"{shown(text)} is not a limit", suggestion(text.lower().removeprefix("rlimit_"), LIMITS))
    return text


def limit(text: str) -> int:
    """A number, a size, or -1 for ``unlimited``."""
    if text == "unlimited":
        return -1
    if _DECIMAL.fullmatch(text):
        return whole_number(text, most=2**60)
    try:
        return size_bytes(text)
    except Refused:
        raise Refused(f"{shown(text)} is not a limit", "write a number, a size such as 64MiB, or unlimited") from None


def expected_exit_code(text: str) -> int:
    """0 to 255."""
    return whole_number(text, most=255)


def backoff_seconds(text: str) -> tuple[float, float]:
    """``100ms..30s``: first and longest pause; a single duration stands for both."""
    first, dots, last = text.partition("..")
    least = duration_seconds(first.strip())
    most = duration_seconds(last.strip()) if dots else least
    if least > most:
        raise Refused(f"{text} ends before it begins", f"write {last.strip()}..{first.strip()}")
    if most <= 0:
        raise Refused(f"{text} leaves no pause", "write 100ms..30s")
    return least, most


def restart_limit(text: str) -> tuple[int | None, float]:
    """``5 per 1m``: at most so many restarts in so many seconds; ``unlimited``: as many as it takes."""
    if text == "unlimited":
        return None, 60.0
    count, per, period = text.partition(" per ")
    if not per:
        raise Refused(f"{shown(text)} is not a restart limit", "write a count and a period: 5 per 1m; or unlimited")
    number = whole_number(count.strip(), least=1)
    seconds = duration_seconds(period.strip())
    if seconds <= 0:
        raise Refused(f"{text} has no period", "write a count and a period: 5 per 1m")
    return number, seconds


def stop_step(text: str) -> tuple[str, float]:
    """``SIGINT 5s``: a signal, and how long it may take before the next step."""
    name, _, span = text.strip().partition(" ")
    signal_text = signal_name(name)
    if not span.strip():
        raise Refused(f"{shown(text)} does not say for how long", f"write the time it has: {signal_text} 5s")
    seconds = duration_seconds(span.strip())
    if seconds <= 0:
        raise Refused(f"{text} leaves no time", f"write {signal_text} 5s, or leave it out")
    return signal_text, seconds


def cooldown_seconds(text: str) -> tuple[float, float]:
    """``10s..5m``: first and longest cool-down; a single duration stands for both."""
    first, dots, last = text.partition("..")
    least = duration_seconds(first.strip())
    most = duration_seconds(last.strip()) if dots else least
    if least > most:
        raise Refused(f"{text} ends before it begins", f"write {last.strip()}..{first.strip()}")
    if least < 1:
        raise Refused(f"{text} is no cool-down", "write 1s or more: a node that gave up would win again at once")
    return least, most


def namespace(text: str) -> str:
    """A key prefix in etcd, without its trailing slash."""
    prefix = text.removesuffix("/")
    if not _NAMESPACE.fullmatch(prefix) or len(prefix) > 200:
        raise Refused(
            f"{shown(text)} cannot be a namespace",
            "write a prefix such as /supervisor: letters, digits, '.', '_', '-' and single '/', at most 200",
        )
    return prefix


def address(text: str) -> tuple[str, int | None]:
    """Host (IPv6 in brackets) and port, None when there is none."""
    match = _ADDRESS.fullmatch(text)
    host, port = match.groups() if match else ("", None)
    if not _is_host(host):
        raise Refused(f"{shown(text)} is not a host and port", "write host:port, or [::1]:port for IPv6")
    if port is None:
        return host, None
    if not _DECIMAL.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise Refused(f"{shown(port)} is not a port", "write a number from 1 to 65535")
    return host, int(port)


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            return ipaddress.IPv6Address(host[1:-1]).scope_id is None
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None


def endpoint(text: str) -> str:
    """An etcd endpoint: a URL with scheme, host and port, or ``unix://`` with the path of a socket."""
    scheme, sep, rest = text.partition("://") if "://" in text else ("http", "://", text)
    scheme, rest = scheme.lower(), rest.removesuffix("/")
    if scheme in ("unix", "unixs"):
        return f"{scheme}{sep}{_socket_path(scheme, rest)}"
    if scheme not in ("http", "https"):
        raise Refused(
            f"{shown(scheme)} is not a scheme of etcd's",
            "write http://host:2379, https://host:2379 or unix:///run/etcd.sock",
        )
    if "@" in rest:
        raise Refused("an endpoint does not hold a user", "write it as etcd: {auth: {user: ..., password_file: ...}}")
    if any(c in rest for c in "/?#"):
        raise Refused(f"{shown(text)} has a path", f"write {scheme}://host:2379 only")
    host, port = address(rest)
    if port is None:
        raise Refused(f"{shown(text)} has no port", f"write {scheme}://{host}:2379")
    return f"{scheme}{sep}{host}:{port}"


def _socket_path(scheme: str, path: str) -> str:
    """Older etcd (3.5.1 still) makes of ``unix://name:0`` a socket ``name:0`` in its own directory: that path is what we need."""
    if not path.startswith("/"):
        remedy = f"write the socket's absolute path: {scheme}:///run/etcd.sock"
        raise Refused(f"{shown(path)} is relative to a directory of etcd's", remedy)
    if any(c.isspace() or not c.isprintable() for c in path) or any(c in path for c in "?#%"):
        raise Refused(f"{shown(path)} has characters that a URL cannot have", "give the socket a plain name")
    if len(path.encode()) > 107:
        raise Refused(f"{shown(path)} is too long", "the kernel allows a socket's path 107 bytes")
    return path


def domain(text: str) -> str:
    """A DNS domain, without its final dot."""
    name = text.removesuffix(".")
    if not _HOST.fullmatch(name) or ".." in name:
        raise Refused(f"{shown(text)} is not a domain", "write the domain alone: example.org")
    return name


def words(text: str) -> list[str]:
    """A command line in words, as a shell would split it; nothing else of a shell applies."""
    try:
        split = shlex.split(text)
    except ValueError as e:
        raise Refused(f"{shown(text)} cannot be split: {str(e).lower()}", "close the quote, or write a list") from None
    for word in split:
        if word in _OF_A_SHELL:
            raise Refused(
                f"{shown(word)} means nothing here: no shell reads a command",
                'write [sh, -c, "..."], or a list if the word itself is meant',
            )
    if split and re.match(r"[A-Za-z_][A-Za-z0-9_]*=", split[0], re.ASCII):
        raise Refused(f"{shown(split[0])} is not a program", "set variables under environment:")
    return split


def program(word: str, directory: str, file_directory: Path) -> str:
    """What to execute: a bare name as it is; a path relative to the process's directory, else to the file's."""
    return str(file_directory / directory / word) if "/" in word else str(word)


def path(text: str) -> str:
    """An absolute path; relative ones are relative to the file they are written in."""
    if not text:
        raise Refused("the path is empty", "write a path, or leave the key out")
    if text.startswith("~"):
        raise Refused(f"{shown(text)} is not expanded: no shell reads it", "write ${HOME}, or the whole path")
    directory = text.directory if isinstance(text, Leaf) else Path.cwd()
    return str(directory / text)


def environment_file(text: str) -> str:
    """A path; one after ``-`` may be missing."""
    if not text.startswith("-"):
        return path(text)
    rest = text[1:]
    return "-" + path(Leaf(rest, text.kind, text.directory) if isinstance(text, Leaf) else rest)


def variable_name(text: str) -> str:
    """A name that an environment can hold and that we do not set ourselves."""
    if not text or "=" in text or any(c.isspace() for c in text):
        raise Refused(f"{shown(text)} cannot be a variable", "use letters, digits and '_'")
    if text in OWN_VARIABLES:
        raise Refused(f"{text} is set by the supervisor for each of its processes", "choose another name")
    return text


def json_scalar(leaf: Leaf) -> object:
    """What a scalar of ``proclaim.value`` is in JSON. Where YAML 1.1 and people disagree, neither wins."""
    if leaf.kind is Kind.TEXT:
        return str(leaf)
    if leaf.kind is Kind.BOOLEAN and leaf.lower() in ("true", "false"):
        return leaf.lower() == "true"
    if leaf.kind is Kind.INTEGER and _DECIMAL.fullmatch(leaf.removeprefix("-")):
        return int(leaf)
    if leaf.kind is Kind.FLOAT and _JSON_NUMBER.fullmatch(leaf) and math.isfinite(float(leaf)):
        return float(leaf)
    raise Refused(f"YAML takes {shown(leaf)} for {leaf.kind.value}, JSON does not", f'put it in quotes: "{leaf}"')
