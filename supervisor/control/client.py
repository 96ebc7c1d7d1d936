"""The command line's end of the control API. Synchronous, one call at a time.

    ControlError
      NotRunning       nobody serves the socket, or the daemon ended meanwhile      start it
      NotAnswering     somebody does, but gave no answer in time                    look at it
      NotPermitted     the socket is not ours to use                                other user or group
      UnknownName      no election or process has that name                         the caller's to correct
      BadSocket        the path cannot be a control socket                          the caller's to correct
      OtherVersion     the daemon does not know this call                           restart it with the new version
      BrokenAnswer     anything else: a bug, or another program at the socket       report it

Promises: gives ``views`` and raises nothing but the errors above; every call has a time limit. Does not: print, or retry.
"""

import errno
import os
import re
import socket as sockets
import stat
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import grpc

from supervisor.control import views
from supervisor.control.convert import to_view
from supervisor.paths import key_path
from supervisor.pb import control_pb2, control_pb2_grpc

ANSWER_SECONDS: Final = 5.0
"""For an answer that waits for nothing; added to the waiting time of those that do."""

READING_SECONDS: Final = 75.0
"""For one that has a file read first: that may take a minute (``config.apart``) before it is called bad."""

NOT_THE_OWNER: Final = (
    "only the daemon's own user and root may have it judge another file, which it reads in its environment"
)

LAST_WORD_SECONDS: Final = 15.0
"""What a movement that was told of as done may still take until the new leader is seen."""
_KEY_BYTES: Final = 64
_KEY: Final = re.compile(rb"[0-9a-f]{64}")

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),  # thousands of elections in one status
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class ControlError(Exception):
    """The daemon could not be asked. The message is for people: what is wrong, and what to do."""


class NotRunning(ControlError):  # noqa: N818 # named for what is the case, as all of these
    """Nobody serves the socket."""


class NotAnswering(ControlError):  # noqa: N818
    """The daemon gave no answer in time."""


class NotPermitted(ControlError):  # noqa: N818
    """The socket may not be used by this user."""


class UnknownName(ControlError):  # noqa: N818
    """The daemon knows no such election or process."""


class BadSocket(ControlError):  # noqa: N818
    """The path cannot be a control socket."""


class OtherVersion(ControlError):  # noqa: N818
    """The daemon is older than this command, or newer, and has no such call."""


class BrokenAnswer(ControlError):  # noqa: N818
    """An answer that makes no sense."""


class Client:
    """A connection to the daemon at ``socket``; a context manager. Raises ControlError from every method."""

    def __init__(self, socket: Path, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._socket = socket
        self._answer_seconds = answer_seconds
        self.pid, self._server_uid = _knock(socket, answer_seconds)
        self._channel = grpc.insecure_channel("unix:" + quote(str(socket.absolute())), options=_OPTIONS)
        self._stub = control_pb2_grpc.ControlStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. Twice is harmless."""
        self._channel.close()

    def status(self, name: str = "", *, exits: bool = False) -> views.Status:
        """Everything the node knows, or what concerns one election or process; with past exits when they are wanted."""
        with self._errors():
            request = control_pb2.StatusRequest(election=name, exits=exits)
            return to_view(views.Status, self._stub.Status(request, timeout=self._answer_seconds))

    def watch_status(self, name: str = "", *, exits: bool = False) -> Generator[views.Status, None, None]:
        """The status now and at every change, until the daemon ends (NotRunning) or the iterator is closed."""
        with self._errors():
            call = self._stub.WatchStatus(control_pb2.StatusRequest(election=name, exits=exits))
            try:
                for message in call:
                    yield to_view(views.Status, message)
            finally:
                call.cancel()
        raise NotRunning(f"the supervisor at {self._socket} has ended")

    def version(self) -> views.Version:
        """Which program answers."""
        with self._errors():
            request = control_pb2.VersionRequest()
            return to_view(views.Version, self._stub.Version(request, timeout=self._answer_seconds))

    def plan(self, content: bytes | None = None, name: str = "") -> views.Planned:
        """What adopting the file would do, or this content in its place, which problems then call ``name``."""
        with self._errors():
            request = control_pb2.PlanRequest(content=content, name=name)
            if content is not None:
                request.key = self._key()
            return to_view(views.Planned, self._stub.Plan(request, timeout=READING_SECONDS))

    def _key(self) -> str:
        """What shows that we may read what the daemon's user may.

        It is sent to whoever serves the socket. So it must be that daemon's own, and a key: where others can put both in place, a
        link to a file of ours would have us send that.
        """
        path = key_path(self._socket)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                status, found = os.fstat(descriptor), file.read(_KEY_BYTES + 1)
        except OSError as error:
            raise NotPermitted(f"{NOT_THE_OWNER} ({path}: {error.strerror})") from None
        if not stat.S_ISREG(status.st_mode) or status.st_uid != self._server_uid or not _KEY.fullmatch(found):
            raise NotPermitted(f"{path} is not the key of who serves {self._socket}: it is not sent")
        return found.decode("ascii")

    def reload(self, wait_seconds: float | None, token: str = "") -> views.Reloaded:
        """Have the file read again, or what a plan has read adopted; with ``wait_seconds`` wait for what changed to converge."""
        with self._errors():
            request = control_pb2.ReloadRequest(wait_seconds=wait_seconds, token=token)
            # Reading a file and starting what it names takes longer than an answer out of memory.
            timeout = (wait_seconds or 0.0) + READING_SECONDS
            return to_view(views.Reloaded, self._stub.Reload(request, timeout=timeout))

    def resign(self, election: str, wait_seconds: float) -> views.Resigned:
        """Have the lead of an election given up."""
        with self._errors():
            request = control_pb2.ResignRequest(election=election, wait_seconds=wait_seconds)
            return to_view(views.Resigned, self._stub.Resign(request, timeout=wait_seconds + self._answer_seconds))

    def switchover(
        self, election: str, *, to: str = "", at: float | None = None, wait_seconds: float, cancel: bool = False
    ) -> Generator[views.Progress, None, None]:
        """Have an election handed over: how it goes, until the last word."""
        request = control_pb2.SwitchoverRequest(
            election=election, to=to, at_seconds=at, wait_seconds=wait_seconds, cancel=cancel
        )
        timeout = wait_seconds + LAST_WORD_SECONDS + self._answer_seconds
        return self._told(lambda: self._stub.Switchover(request, timeout=timeout))

    def pause(
        self, election: str, *, resume: bool = False, wait_seconds: float
    ) -> Generator[views.Progress, None, None]:
        """Have nobody move in an election, or in none (empty), or end that."""
        request = control_pb2.PauseRequest(election=election, resume=resume, wait_seconds=wait_seconds)
        return self._told(lambda: self._stub.Pause(request, timeout=wait_seconds + 2 * self._answer_seconds))

    def drain(
        self,
        node: str,
        *,
        undrain: bool = False,
        followers_stop: bool = False,
        force: bool = False,
        wait_seconds: float,
    ) -> Generator[views.Progress, None, None]:
        """Have a node (empty: the daemon's own) lead nothing, or end that."""
        request = control_pb2.DrainRequest(
            node=node, undrain=undrain, followers_stop=followers_stop, force=force, wait_seconds=wait_seconds
        )
        return self._told(lambda: self._stub.Drain(request, timeout=wait_seconds + 2 * self._answer_seconds))

    def _told(self, call: Callable[[], Iterator[control_pb2.Progress]]) -> Generator[views.Progress, None, None]:
        with self._errors():
            for message in call():
                yield to_view(views.Progress, message)

    def restart(self, process: str, wait_seconds: float) -> views.Restarted:
        """Have a process stopped and started."""
        with self._errors():
            request = control_pb2.RestartRequest(process=process, wait_seconds=wait_seconds)
            return to_view(views.Restarted, self._stub.Restart(request, timeout=wait_seconds + self._answer_seconds))

    def start(self, process: str, wait_seconds: float) -> views.Started:
        """Have an operator's stop of a process, or its give-up, lifted."""
        with self._errors():
            request = control_pb2.StartRequest(process=process, wait_seconds=wait_seconds)
            return to_view(views.Started, self._stub.Start(request, timeout=wait_seconds + self._answer_seconds))

    def stop(self, process: str, wait_seconds: float) -> views.Stopped:
        """Have a process stopped, and kept so."""
        with self._errors():
            request = control_pb2.StopRequest(process=process, wait_seconds=wait_seconds)
            return to_view(views.Stopped, self._stub.Stop(request, timeout=wait_seconds + self._answer_seconds))

    def leader(self, election: str) -> views.Observation:
        """Who leads an election."""
        with self._errors():
            request = control_pb2.LeaderRequest(election=election)
            return to_view(views.Observation, self._stub.Leader(request, timeout=self._answer_seconds))

    def observe(self, *elections: str) -> Generator[views.Observation, None, None]:
        """Who leads, now and at every change, until the daemon ends (NotRunning) or the iterator is closed."""
        with self._errors():
            call = self._stub.Observe(control_pb2.ObserveRequest(elections=elections))
            try:
                for message in call:
                    yield to_view(views.Observation, message)
            finally:
                call.cancel()
        raise NotRunning(f"the supervisor at {self._socket} has ended")

    def logs(
        self, *processes: str, lines: int | None = None, since_seconds: float | None = None, follow: bool = False
    ) -> Generator[views.LogLines, None, None]:
        """What processes said; when followed until the daemon ends (NotRunning) or the iterator is closed."""
        with self._errors():
            request = control_pb2.LogsRequest(
                processes=processes, lines=lines, since_seconds=since_seconds, follow=follow
            )
            call = self._stub.Logs(request, timeout=None if follow else 6 * self._answer_seconds)
            try:
                for message in call:
                    yield to_view(views.LogLines, message)
            finally:
                call.cancel()
        if follow:
            raise NotRunning(f"the supervisor at {self._socket} has ended")

    def events(
        self, *elections: str, kinds: Sequence[str] = (), lines: int | None = None, follow: bool = False
    ) -> Generator[views.Happening, None, None]:
        """What happened; when followed until the daemon ends (NotRunning) or the iterator is closed."""
        with self._errors():
            request = control_pb2.EventsRequest(elections=elections, kinds=kinds, lines=lines, follow=follow)
            call = self._stub.Events(request, timeout=None if follow else 2 * self._answer_seconds)
            try:
                for message in call:
                    yield to_view(views.Happening, message)
            finally:
                call.cancel()
        if follow:
            raise NotRunning(f"the supervisor at {self._socket} has ended")

    def queue(self, election: str) -> views.Queue:
        """Who stands for an election."""
        with self._errors():
            request = control_pb2.QueueRequest(election=election)
            return to_view(views.Queue, self._stub.Queue(request, timeout=self._answer_seconds))

    def access(self) -> views.Allowed:
        """What we may."""
        with self._errors():
            request = control_pb2.AccessRequest()
            return to_view(views.Allowed, self._stub.Access(request, timeout=self._answer_seconds))

    def history(self, election: str) -> views.History:
        """What is on record of an election's terms."""
        with self._errors():
            request = control_pb2.HistoryRequest(election=election)
            return to_view(views.History, self._stub.History(request, timeout=2 * self._answer_seconds))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self._translated(error) from error

    def _translated(self, error: grpc.RpcError) -> ControlError:
        code, details = error.code(), error.details() or "no details"
        who = f"the supervisor (pid {self.pid})" if self.pid else "the supervisor"
        match code:
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                why = "it is stopped (SIGSTOP)" if is_stopped(self.pid) else "its log may say why"
                return NotAnswering(f"{who} at {self._socket} gave no answer in time; {why}")
            case grpc.StatusCode.RESOURCE_EXHAUSTED:
                return NotAnswering(f"{who} at {self._socket} has too many callers ({details}); try again")
            case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
                return NotRunning(f"{who} at {self._socket} ended before it answered")
            case grpc.StatusCode.PERMISSION_DENIED:
                return NotPermitted(f"{who} at {self._socket}: {details}")
            case grpc.StatusCode.NOT_FOUND:
                return UnknownName(details)
            case grpc.StatusCode.UNIMPLEMENTED:
                why = "is of another version and does not know this: see `supervisor version`, and restart it with the new one"
                return OtherVersion(f"{who} at {self._socket} {why}")
            case _:
                return BrokenAnswer(f"{who} at {self._socket} answered {code.name}: {details}")


def is_stopped(pid: int | None) -> bool:
    """Whether a process is stopped by a signal or a debugger, where that can be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in ("T", "t")


def _knock(socket: Path, timeout_seconds: float) -> tuple[int | None, int]:
    """Connect once, for errors that say what is wrong (gRPC's do not). Gives the daemon's pid and user."""
    remedy = "start one with `supervisor run`, or name its socket with --socket or $SUPERVISOR_SOCKET"
    with sockets.socket(sockets.AF_UNIX) as probe:
        probe.settimeout(timeout_seconds)
        try:
            probe.connect(str(socket))
            peer = probe.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12)
        except (TimeoutError, BlockingIOError):  # the latter when the queue of connections is full
            raise NotAnswering(f"the supervisor at {socket} accepts no connection; its log may say why") from None
        except PermissionError:
            need = "it is open to the daemon's user and group only; use sudo, or join its group"
            raise NotPermitted(f"no permission to use {socket}: {need}") from None
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise NotRunning(f"no supervisor is running here: {socket} does not exist; {remedy}") from None
            if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
                raise NotRunning(f"no supervisor is running here: nobody serves {socket}; {remedy}") from None
            raise BadSocket(f"{socket} cannot be a control socket: {error.strerror or error}") from None
    return int.from_bytes(peer[:4], sys.byteorder) or None, int.from_bytes(peer[4:8], sys.byteorder)
