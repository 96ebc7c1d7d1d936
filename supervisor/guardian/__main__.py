"""The guardian's process: ``python -I -S .../guardian/__main__.py FD``, FD being its end of the socketpair.

Promises: takes up its duty only when an earlier daemon's leftovers are dead; says Ready or Failed, nothing in between.
Does not: load site-packages (-S) or asyncio; listen to environment variables of Python (-I).
"""

import gc
import os
import select
import socket
import sys

if __package__ in {None, ""}:
    # -I leaves even the script's own directory out. Ours is needed for these imports only, behind the standard library.
    sys.path.append(os.path.realpath(__file__).rsplit("/", 3)[0])

from supervisor.guardian import cgroup, linux
from supervisor.guardian import protocol as say
from supervisor.guardian.census import look
from supervisor.guardian.containment import Containment
from supervisor.guardian.duty import Guardian
from supervisor.guardian.leftovers import LeftoversError, kill_leftovers, record, state_mark
from supervisor.guardian.wire import Wire, WireClosedError

if __package__ in {None, ""}:
    sys.path.pop()

_HELLO_TIMEOUT_SECONDS = 10.0
_LEFTOVERS_TIMEOUT_SECONDS = 10.0
_INTERNAL_ERROR = 70


class NotReadyError(Exception):
    """The guardian cannot take up its duty. The message is for people."""


def main() -> int:
    """Become the guardian. Returns the exit code."""
    _keep_standard_descriptors()
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    wire = Wire(sock, max_bytes=say.MAX_PACKET_BYTES)
    inherited = linux.Inherited.read()
    linux.become_subreaper()
    linux.set_name("sv-guardian")
    os.chdir("/")
    try:
        hello, lock = _receive_hello(wire)
        containment, notes = _prepare(hello.state_dir)
    except (NotReadyError, WireClosedError, OSError) as error:
        wire.send(say.encode(say.Failed(reason=str(error))))
        return 1
    notes += linux.protect()
    guardian = Guardian(sock=sock, wire=wire, containment=containment, inherited=inherited)
    guardian.tell(
        say.Ready(
            pid=os.getpid(),
            containment=containment.kind,
            path=containment.top or "",
            marker=containment.marker,
            notes=tuple(notes),
        )
    )
    gc.collect()
    gc.freeze()  # what is here stays: a fork need not copy the pages that a collection would touch
    guardian.run()
    os.close(lock)  # held to the end: a successor starts when nothing of ours is left
    return 0


def _receive_hello(wire: Wire) -> tuple[say.Hello, int]:
    poll = select.poll()
    poll.register(wire.fileno(), select.POLLIN)
    if not poll.poll(_HELLO_TIMEOUT_SECONDS * 1000):
        raise NotReadyError("the daemon said nothing")
    received = wire.receive()
    if received is None:
        raise NotReadyError("the daemon said nothing")
    packet, descriptors = received
    try:
        hello = say.decode(packet)
    except say.ProtocolError as error:
        raise NotReadyError(str(error)) from None
    if not isinstance(hello, say.Hello) or len(descriptors) != 1:
        raise NotReadyError("the daemon did not begin with Hello and the lock of its state directory")
    return hello, descriptors[0]


def _prepare(state_dir: str) -> tuple[Containment, list[str]]:
    mark = state_mark(state_dir)
    try:
        dead = kill_leftovers(state_dir, timeout_seconds=_LEFTOVERS_TIMEOUT_SECONDS)
    except LeftoversError as error:
        raise NotReadyError(f"{error}; end them (or reboot), then start again") from None
    notes = [f"killed what an earlier supervisor left: {', '.join(dead[:10])}"] if dead else []
    me = look(os.getpid())
    assert me is not None, "/proc shows this process"
    instance = f"{mark}-{me.pid}-{me.start}"
    top: str | None = None
    if os.environ.get("SUPERVISOR_CONTAINMENT") != "session":
        try:
            top = cgroup.create(instance)
        except cgroup.CgroupUnusableError as error:
            notes.append(f"no cgroups, containment by session and marker: {error}")
    record(state_dir, top)
    return Containment(state=mark, instance=instance, top=top), notes


def _keep_standard_descriptors() -> None:
    """0, 1 and 2 are taken, so that no descriptor of ours is ever a child's standard one by accident."""
    while (fd := os.open("/dev/null", os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)  # noqa: FBT003 # its own signature
    os.close(fd)


if __name__ == "__main__":
    try:
        code = main()
    except BaseException:  # noqa: BLE001 # everything was killed on the way here (duty.Guardian.run); say why
        import traceback

        traceback.print_exc()
        code = _INTERNAL_ERROR
    os._exit(code)
