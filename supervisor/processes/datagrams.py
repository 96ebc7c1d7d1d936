"""Lines to the journal and to syslog: one datagram each, over a unix socket.

Promises: a receiver that is slow, dead or absent holds nobody up, and lines it did not take are counted (``sink``); one
that comes back is found again; at the beginning of a line ``<3>`` is its priority, as in sd-daemon(3), and is taken off.
Does not: send what the file says of secrets: fields are names, numbers and the lines themselves. Loaded where a process
asks for it, and not before.

Between the sink and the outlet lines travel as frames: four bytes of length before each datagram.
"""

import errno
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from supervisor.core.spec import SyslogFormat
from supervisor.processes.rendering import STDERR, TURN_LINES, stamp, turn
from supervisor.processes.sink import Gap, Loss, Outlet, OutletError

JOURNAL_SOCKET: Final = "/run/systemd/journal/socket"
SYSLOG_SOCKET: Final = "/dev/log"
SEND_SECONDS: Final = 2.0
"""A receiver that takes nothing for this long is in trouble."""

OWN_NAME: Final = "supervisor"
FIELDS: Final = ("NODE", "ELECTION", "ROLE", "PROCESS", "TERM", "FENCING_TOKEN")
"""Of the variables that a child is given, those that become the journal's fields, under the same names."""
FACILITIES: Final = {
    name: number
    for number, name in enumerate(
        ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp")
    )
} | {f"local{number}": 16 + number for number in range(8)}

INFO: Final = 6
WARNING: Final = 4
ERROR: Final = 3

_PRIORITY = re.compile(rb"<([0-7])>")
_RETRIED: Final = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Whose lines they are."""

    process: str
    stream: str
    pid: int | None = None
    variables: Mapping[str, str]
    """As the child was given them."""

    def split(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Priority and text of each line that is not empty."""
        usual = ERROR if self.stream == STDERR else INFO
        for number, line in enumerate(block.split(b"\n"), 1):
            if number % TURN_LINES == 0:
                turn()
            match = _PRIORITY.match(line)
            text = line[match.end() :] if match else line
            if text.strip():
                yield (int(match[1]) if match else usual), text


class Journal:
    """journald's native protocol (systemd's documentation: JOURNAL_NATIVE_PROTOCOL)."""

    def render(self, at: float, sender: Sender, block: bytes) -> bytes:  # noqa: ARG002 # the journal has its own clock
        """The block as frames."""
        fields = [f"SYSLOG_IDENTIFIER={sender.process}", f"SUPERVISOR_STREAM={sender.stream}"]
        fields += [f"SYSLOG_PID={sender.pid}"] if sender.pid else []
        named = ((f"SUPERVISOR_{name}", sender.variables.get(f"SUPERVISOR_{name}", "")) for name in FIELDS)
        fields += [f"{name}={value}" for name, value in named if value and "\n" not in value]
        tail = ("\n".join(fields) + "\nMESSAGE=").encode()
        return _framed(b"PRIORITY=%d\n%s%s\n" % (priority, tail, text) for priority, text in sender.split(block))


@dataclass(frozen=True, slots=True, kw_only=True)
class Syslog:
    """syslog, as it is spoken on ``/dev/log``."""

    facility: str
    format: SyslogFormat
    host: str

    def render(self, at: float, sender: Sender, block: bytes) -> bytes:
        """The block as frames."""
        facility = FACILITIES[self.facility] * 8
        if self.format is SyslogFormat.RFC5424:
            name = "".join(c if "!" <= c <= "~" else "_" for c in sender.process)[:48]
            head = f"1 {stamp(at)} {self.host or '-'} {name} {sender.pid or '-'} - - ".encode()
        else:
            pid = f"[{sender.pid}]" if sender.pid else ""
            # Local time and no host, as syslog(3) writes it.
            head = f"{time.strftime('%b %e %H:%M:%S', time.localtime(at))} {sender.process}{pid}: ".encode()
        return _framed(b"<%d>%s%s" % (facility + priority, head, text) for priority, text in sender.split(block))


Protocol = Journal | Syslog


class DatagramOutlet(Outlet):
    """A unix socket that takes datagrams."""

    speaks: ClassVar[bool] = True

    def __init__(self, path: str, name: str, protocol: Protocol, *, warn: Callable[[str], None]) -> None:
        """``name``: for people, ``the journal``."""
        super().__init__()
        self.protocol = protocol
        self._path = path
        self._name = name
        self._warn = warn
        self._socket: socket.socket | None = None

    def write(self, data: bytes) -> None:
        """Sends the datagrams of whole frames. Raises OutletError."""
        done = 0
        try:
            for frame in _frames(data):
                self._send(frame)
                done += 4 + len(frame)
        except OSError as error:
            self.close()
            cause = "it takes nothing" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise OutletError(cause, written=done) from error

    def loss(self, data: bytes) -> Loss:
        """A line for each frame."""
        sizes = [len(frame) for frame in _frames(data)]
        return Loss(len(sizes), sum(sizes))

    def gap_line(self, gap: Gap) -> bytes:
        """The gap in words, among the lines it is missing from."""
        own = Sender(process=OWN_NAME, stream=STDERR, variables={})
        return self.protocol.render(time.time(), own, f"<{WARNING}>{gap}\n".encode())

    def failed(self) -> None:
        """Warns."""
        self._warn(f"{self._name} ({self._path}) cannot be written: {self.trouble}; lines are dropped until it can")

    def recovered(self, gap: Gap) -> None:
        """Says what is missing in our own log, too: whoever reads that may not read the other."""
        self._warn(f"{self._name} ({self._path}) is written again: {gap}")

    def close(self) -> None:
        """Closes the socket; a later write connects again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, datagram: bytes) -> None:
        again = self._socket is not None
        try:
            self._connected().send(datagram)
        except OSError as error:
            if not again or error.errno not in _RETRIED:
                raise
            self.close()  # it was restarted
            self._connected().send(datagram)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            made.settimeout(SEND_SECONDS)
            try:
                made.connect(self._path)
            except OSError:
                made.close()
                raise
            self._socket = made
        return self._socket


def _framed(datagrams: Iterable[bytes]) -> bytes:
    return b"".join(part for datagram in datagrams for part in (len(datagram).to_bytes(4, "little"), datagram))


def _frames(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        yield data[at + 4 : at + 4 + size]
        at += 4 + size
