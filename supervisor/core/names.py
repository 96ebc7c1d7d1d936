"""Names and numbers that identify things.

Each is its own type, so that mypy refuses a lease id where a fencing token is meant. Nothing here has behaviour beyond
its text form.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

NodeName = NewType("NodeName", str)
ElectionName = NewType("ElectionName", str)
ProcessName = NewType("ProcessName", str)

LeaseId = NewType("LeaseId", int)
"""An etcd lease. Never 0: etcd would make a 60 s lease of it that nobody renews."""

Token = NewType("Token", int)
"""A fencing token: the create revision of the leader's candidate key. Rises with every term of an election."""

RunId = NewType("RunId", int)
"""Numbers the children of one daemon, from 1. Never used twice by one daemon, so that late news finds nobody."""

Instant = NewType("Instant", float)
"""Seconds on CLOCK_BOOTTIME, the only clock that decides: it counts while the machine is suspended."""

EPOCH: Final = Instant(0.0)
"""The boot of the machine: before anything of ours."""


HOOK_MARK: Final = "@"
"""Begins the name of a hook among processes; no process in a file can have it."""


class Role(StrEnum):
    """When a process runs."""

    LEADER = "leader"
    """While this node leads the election."""
    FOLLOWER = "follower"
    """While it does not."""
    ALWAYS = "always"
    """Whoever leads."""


@dataclass(frozen=True, slots=True, order=True)
class ProcessId:
    """A declared process: unique in its election, or among the always processes when ``election`` is empty."""

    election: ElectionName
    name: ProcessName

    @property
    def is_hook(self) -> bool:
        """Whether it is a hook of its election: ``billing/@elected``."""
        return self.name.startswith(HOOK_MARK)

    def __str__(self) -> str:
        """``billing/api``, or ``exporter`` for an always process: how the command line names it."""
        return f"{self.election}/{self.name}" if self.election else self.name


@dataclass(frozen=True, slots=True, order=True)
class Term:
    """One unbroken tenure of one node in one election."""

    election: ElectionName
    token: Token

    def __str__(self) -> str:
        """``billing#1234``: how logs name it."""
        return f"{self.election}#{self.token}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a daemon lives: one machine since one boot, and one state directory on it, which one daemon holds at a time.

    A term that began at home is over when a daemon starts there: its guardian has ended, or has been ended.
    """

    boot: str = ""
    """The kernel's boot id."""
    mark: str = ""
    """Names the state directory, with the root it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenToken:
    """The highest token that this node has seen of an election, and the id of the etcd cluster it came from."""

    token: Token
    cluster: str = ""


LARGEST_TOKEN = (1 << 63) - 1
"""etcd's revisions are of 64 bits, with a sign."""


def token_named(word: str) -> Token | None:
    """The term that a part of a key names; None when it names none, whoever wrote the key.

    Only as we write them: ``int`` would also take other scripts' digits, and ``isdigit`` even what ``int`` refuses.
    """
    if not word.isascii() or not word.isdigit() or len(word) > 19 or word[0] == "0":
        return None
    token = int(word)
    return Token(token) if token <= LARGEST_TOKEN else None


def grant_line(prefix: str, *, role: str = "ROLE") -> str:
    """The ``etcdctl`` line that lets a role read and write below a prefix."""
    return f"etcdctl role grant-permission {role} --prefix=true readwrite {prefix}"


def record_key(namespace: str, election: ElectionName, token: Token) -> str:
    """The key of a term's record."""
    return f"{namespace}.log/{election}/{token}"


def candidate_key(namespace: str, election: ElectionName, lease: LeaseId) -> str:
    """The key of a candidate, as every client of etcd's Election API writes it: name, slash, lease id in hex."""
    return f"{namespace}/{election}/{lease:x}"
