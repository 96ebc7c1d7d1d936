"""Listening sockets that outlive the runs they are passed to.

Promises: a socket stays open, and the kernel goes on taking connections for it, from the first run of a process until
``close``: a restart refuses nobody. One whose definition changed is opened anew; those of a term are closed with it.
The file of a unix socket has its mode and owner before anyone can connect, takes the place of one that nobody listens
on, and goes when the socket is closed.
Does not: accept, or look up names.
"""

import errno
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from supervisor.guardian.record import record
from supervisor.guardian.setup import SetupError

_KEY: Final = "sockets"


@record
class Definition:
    """One socket of a process."""

    name: str
    kind: str
    """``tcp`` or ``unix``."""
    host: str
    port: int
    path: str
    backlog: int
    mode: int
    uid: int
    gid: int
    reuse_port: bool

    @property
    def address(self) -> str:
        """As in the file."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"unix://{self.path}" if self.kind == "unix" else f"tcp://{host}:{self.port}"


@record
class _Open:
    definition: Definition
    socket: socket.socket
    inode: int
    """Of the file, to know it again."""

    def close(self) -> None:
        self.socket.close()
        if self.definition.path:
            with suppress(OSError):
                if os.stat(self.definition.path).st_ino == self.inode:
                    os.unlink(self.definition.path)


class Sockets:
    """All that are held open, by owner."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str | None, dict[str, _Open]]] = {}

    def hold(self, owner: str, term: str | None, wanted: Sequence[dict[str, Any]]) -> tuple[socket.socket, ...]:
        """Open what is not open yet, close what is not wanted any more. Raises SetupError; what was open then stays."""
        definitions = [Definition(**one) for one in wanted]
        of_term, held = self._held.get(owner, (term, {}))
        if of_term != term:
            self.close(owner)
            held = {}
        kept = {d.name: held[d.name] for d in definitions if d.name in held and held[d.name].definition == d}
        for name in held.keys() - kept.keys():
            held.pop(name).close()  # first: the new one may want its address
        self._held[owner] = (term, kept)
        for definition in definitions:
            if definition.name not in kept:
                kept[definition.name] = _open(definition)
        return tuple(kept[definition.name].socket for definition in definitions)

    def close(self, owner: str) -> None:
        """Of a process that is not to be started again."""
        _, held = self._held.pop(owner, (None, {}))
        for one in held.values():
            one.close()

    def close_term(self, term: str) -> None:
        """Of a term that is over."""
        for owner in [owner for owner, (of_term, _) in self._held.items() if of_term == term]:
            self.close(owner)

    def close_all(self) -> None:
        """Nothing is started any more."""
        for owner in list(self._held):
            self.close(owner)


def _open(definition: Definition) -> _Open:
    unix = definition.kind == "unix"
    family = socket.AF_UNIX if unix else socket.AF_INET6 if ":" in definition.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        if unix:
            inode = _bind_file(opened, definition)
        else:
            _bind(opened, definition)
            inode = 0
        opened.listen(definition.backlog)
    except OSError as error:
        opened.close()
        raise SetupError(_KEY, error.errno or 0, _refusal(definition, error)) from None
    return _Open(definition=definition, socket=opened, inode=inode)


def _bind(opened: socket.socket, definition: Definition) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if definition.reuse_port:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if opened.family == socket.AF_INET6:
        # [::] and 0.0.0.0 are two addresses here, whatever net.ipv6.bindv6only says; name both for both.
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    opened.bind((definition.host, definition.port))


def _bind_file(opened: socket.socket, definition: Definition) -> int:
    _remove_stale(definition.path)
    before = os.umask(0o777)
    try:
        opened.bind(definition.path)
    finally:
        os.umask(before)
    if definition.uid >= 0 or definition.gid >= 0:
        os.chown(definition.path, definition.uid, definition.gid)
    os.chmod(definition.path, definition.mode)
    return os.stat(definition.path).st_ino


def _remove_stale(path: str) -> None:
    """The file of a socket whose listener is dead. One that answers, and whatever is no socket, stays."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.setblocking(False)  # noqa: FBT003 # its own signature
        if trial.connect_ex(path) == errno.ECONNREFUSED:
            os.unlink(path)


def _refusal(definition: Definition, error: OSError) -> str:
    text = f"{definition.name}: cannot listen on {definition.address}: {error.strerror or error}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{text}; something else listens there: `ss -lntxp` shows it"
        case errno.EACCES | errno.EPERM if definition.kind == "tcp":
            return f"{text}; ports below net.ipv4.ip_unprivileged_port_start need root or CAP_NET_BIND_SERVICE"
        case errno.EACCES | errno.EPERM:
            return f"{text}; the supervisor must be able to write to the directory, and be root to set another owner"
        case errno.EADDRNOTAVAIL:
            return f"{text}; no interface of this machine has this address"
        case errno.ENOENT:
            return f"{text}; the directory does not exist: create it"
        case _:
            return text
