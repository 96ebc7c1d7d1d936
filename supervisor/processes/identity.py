"""Names of users, limits and signals, and the numbers the kernel wants for them.

Promises: a name that means nothing here is an error that says what to write instead.
Does not: become that user or set that limit (the guardian's child does, before exec). The user database may be slow where
it lives on a network; call from a thread there.
"""

import difflib
import grp
import os
import pwd
import resource
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

RLIMITS: Final[dict[str, int]] = {
    name.removeprefix("RLIMIT_").lower(): number
    for name, number in vars(resource).items()
    if name.startswith("RLIMIT_")
}
"""rlimits by lower-case name without RLIMIT_, as ``limits`` in the file has them."""

DEFAULT_SHELL: Final = "/bin/sh"

HIGHEST_ID: Final = 2**32 - 2
"""The number above it means "leave as it is" to setuid(2), which would keep root."""


class UnknownName(Exception):  # noqa: N818  (a name tells more than the word Error)
    """Something was named that does not exist here; says what to do."""


class UnknownUser(UnknownName):
    """No such user or group on this machine."""


class UnknownLimit(UnknownName):
    """No such rlimit."""


class UnknownSignal(UnknownName):
    """No such signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a child runs as."""

    @property
    def is_ours(self) -> bool:
        """Whether there is nothing to become: no privilege is needed for that, and none may be asked for."""
        return os.geteuid() != 0 and (self.uid, self.gid) == (os.geteuid(), os.getegid())

    uid: int
    gid: int
    groups: tuple[int, ...]
    """What initgroups(3) would set: ``gid`` and every group that lists the user."""
    home: str
    name: str
    shell: str


def resolve_user(user: str) -> Identity:
    """``name``, ``name:group`` or numbers for either. Raises UnknownUser.

    A uid without an entry needs a group, and has ``/`` for its home, its number for its name and no other groups.
    """
    name, colon, group = user.partition(":")
    if not name or (colon and not group):
        raise UnknownUser(f"user {user!r}: write NAME or NAME:GROUP")
    entry = _passwd(name)
    if entry is not None:
        gid = _gid(user, group) if group else entry.pw_gid
        groups = tuple(sorted(set(os.getgrouplist(entry.pw_name, gid))))
        return Identity(
            uid=entry.pw_uid,
            gid=gid,
            groups=groups,
            home=entry.pw_dir,
            name=entry.pw_name,
            shell=entry.pw_shell or DEFAULT_SHELL,
        )
    if not _is_number(name):
        raise UnknownUser(
            f"user {user!r}: no user {name!r} on this machine: create it, or name one that `getent passwd` lists"
        )
    if int(name) > HIGHEST_ID:
        raise UnknownUser(f"user {user!r}: no user can have this number: at most {HIGHEST_ID}")
    if not group:
        raise UnknownUser(f"user {user!r}: no user has this number, so its group is unknown: write {name}:GROUP")
    gid = _gid(user, group)
    return Identity(uid=int(name), gid=gid, groups=(gid,), home="/", name=name, shell=DEFAULT_SHELL)


def resolve_groups(groups: Iterable[str]) -> tuple[int, ...]:
    """The numbers of groups, by name or number. Raises UnknownUser."""
    return tuple(_group(group, "groups") for group in groups)


def rlimit_number(name: str) -> int:
    """The resource of ``setrlimit(2)`` for a name as ``nofile``. Raises UnknownLimit."""
    try:
        return RLIMITS[name.lower()]
    except KeyError:
        raise UnknownLimit(f"no limit is called {name!r}: {_nearest(name.lower(), RLIMITS)}") from None


def signal_number(name: str) -> int:
    """The number for ``SIGTERM``, ``TERM`` or ``15``. Raises UnknownSignal."""
    upper = name.upper()
    try:
        if upper.isdigit():
            return signal.Signals(int(upper)).value
        return signal.Signals[upper if upper.startswith("SIG") else f"SIG{upper}"].value
    except (KeyError, ValueError):
        names = [known.name for known in signal.Signals]
        raise UnknownSignal(f"no signal is called {name!r}: {_nearest(upper, names)}") from None


def _passwd(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(int(name)) if _is_number(name) else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        return None


def _gid(user: str, group: str) -> int:
    return _group(group, f"user {user!r}")


def _group(group: str, said: str) -> int:
    if _is_number(group) and int(group) <= HIGHEST_ID:
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise UnknownUser(
            f"{said}: no group {group!r} on this machine: create it, or name one that `getent group` lists"
        ) from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _nearest(name: str, known: "dict[str, int] | list[str]") -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else "use one of " + ", ".join(sorted(known))
