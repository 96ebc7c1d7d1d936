"""Datagrams of sd_notify, well meant and not."""

import array
import asyncio
import os
import socket
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from supervisor.core.actions import StartProbe
from supervisor.core.events import Event, Notified, ProbeFailed, ProbeSucceeded
from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role, RunId
from supervisor.core.spec import ProbeKind, ProbeSpec, ProcessSpec
from supervisor.processes.notify import DATAGRAM_BYTES, LONGEST_EXTENSION_SECONDS, Notes, NotifySockets, parse

API = ProcessId(ElectionName("billing"), ProcessName("api"))
RUN = RunId(1)
READY = ProbeSpec(kind=ProbeKind.NOTIFY)
ALIVE = ProbeSpec(kind=ProbeKind.WATCHDOG, every_seconds=1000)
SPEC = ProcessSpec(id=API, role=Role.ALWAYS, command=("x",), ready=READY, health=ALIVE)


@pytest.mark.parametrize(
    ("datagram", "notes"),
    [
        (b"READY=1", Notes(ready=True)),
        (b"READY=1\nSTATUS= up \nWATCHDOG=1\n", Notes(ready=True, alive=True, status="up")),
        (b"WATCHDOG=trigger", Notes(trouble=True)),
        (b"STATUS=", Notes(status="")),
        (b"STATUS=\x1b[31m\xff\xe2\x80\xae", Notes(status="\\x1b[31m\\xff\\u202e")),
        (b"STATUS=" + b"x" * 3000, Notes(status="x" * 200)),
        (b"EXTEND_TIMEOUT_USEC=1500000", Notes(extend_seconds=1.5)),
        (b"EXTEND_TIMEOUT_USEC=9999999999999999999", Notes(extend_seconds=LONGEST_EXTENSION_SECONDS)),
        (b"EXTEND_TIMEOUT_USEC=-1\nEXTEND_TIMEOUT_USEC=1e9\nEXTEND_TIMEOUT_USEC=" + b"9" * 500, Notes()),
        (b"READY=0\nREADY=\nready=1\nWATCHDOG=2", Notes()),
        (b"STOPPING=1\nRELOADING=1\nMONOTONIC_USEC=1\nMAINPID=1\nFDSTORE=1\nBARRIER=1\nERRNO=2", Notes()),
        (b"", Notes()),
        (b"\n\n=\n==\nnonsense", Notes()),
        (b"READY=1\0", None),
        (b"READY=1\n" + b"x" * DATAGRAM_BYTES, None),
    ],
)
def test_what_a_datagram_says(datagram: bytes, notes: Notes | None) -> None:
    assert parse(datagram) == notes


@given(st.binary(max_size=5000))
@example(b"STATUS=" + b"\x00" * 10)
def test_no_datagram_is_too_strange(datagram: bytes) -> None:
    notes = parse(datagram)
    assert notes is None or notes.status is None or notes.status.isprintable() or "\t" in notes.status


def everyone(_pid: int) -> bool:
    return True


def strangers(_pid: int) -> bool:
    return False


class Bench:
    """Sockets whose peers are in the run, or are not, as ``inside`` says."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.warnings: list[str] = []
        self.inside: Callable[[int], bool] = lambda pid: pid == os.getpid()
        self.sockets = NotifySockets(
            on_event=self.told.append, holds=lambda _, pid: self.inside(pid), on_warning=self.warnings.append
        )
        self.variables = self.sockets.open(SPEC, RUN)
        self.address = "\0" + self.variables["NOTIFY_SOCKET"][1:]
        self.peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def close(self) -> None:
        self.sockets.close(RUN)
        self.sockets.close(RUN)
        self.peer.close()

    def watch(self, purpose: str, probe: ProbeSpec) -> None:
        self.sockets.start(StartProbe(run=RUN, process=API, purpose=purpose, probe=probe))

    def send(self, datagram: bytes, fds: list[int] | None = None) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.peer.sendmsg([datagram], rights, 0, self.address)
        self.sockets._ears[RUN].read()


async def test_ready_status_and_signs_of_life() -> None:
    bench = Bench()
    assert bench.variables["WATCHDOG_USEC"] == "1000000000"
    bench.send(b"READY=1")
    assert bench.told == []
    bench.watch("ready", READY)
    bench.watch("health", ALIVE)
    bench.send(b"READY=1\nWATCHDOG=1")
    bench.send(b"WATCHDOG=1")
    bench.send(b"WATCHDOG=trigger")
    bench.send(b"WATCHDOG=1")
    detail = "the process reports its own failure (WATCHDOG=trigger)"
    assert bench.told == [
        ProbeSucceeded(run=RUN, purpose="ready"),
        ProbeSucceeded(run=RUN, purpose="health"),
        ProbeFailed(run=RUN, purpose="health", detail=detail),
        ProbeSucceeded(run=RUN, purpose="health"),
    ], "what follows at once says nothing new, but after a failure it does"
    bench.sockets.stop(RUN, "health")
    bench.send(b"WATCHDOG=trigger")
    assert len(bench.told) == 4
    bench.close()


async def test_a_sign_of_life_before_the_watch_begins_is_one() -> None:
    """A child may speak as soon as it is executed, before its start is known here; and it need not speak again soon."""
    bench = Bench()
    bench.send(b"READY=1\nWATCHDOG=1")
    bench.watch("health", ALIVE)
    bench.watch("ready", READY)
    assert bench.told == [ProbeSucceeded(run=RUN, purpose="health"), ProbeSucceeded(run=RUN, purpose="ready")]
    bench.close()


async def test_a_failure_that_is_told_before_the_watch_begins_is_one() -> None:
    bench = Bench()
    bench.send(b"WATCHDOG=1")
    bench.send(b"WATCHDOG=trigger")
    bench.watch("health", ALIVE)
    detail = "the process reports its own failure (WATCHDOG=trigger)"
    assert bench.told == [ProbeFailed(run=RUN, purpose="health", detail=detail)]
    bench.close()


async def test_the_last_status_of_a_burst_is_passed_on() -> None:
    bench = Bench()
    for number in range(50):
        bench.send(f"STATUS={number}".encode())
    async with asyncio.timeout(20):
        while len(bench.told) < 2:
            await asyncio.sleep(0.01)
    assert bench.told == [Notified(run=RUN, status="0"), Notified(run=RUN, status="49")]
    bench.close()


async def test_strangers_and_nonsense_are_counted_and_mentioned_once_each() -> None:
    bench = Bench()
    bench.watch("ready", READY)
    for _ in range(3):
        bench.send(b"READY=1\0")
        bench.send(b"READY=1\n" + b"x" * 60_000)
    bench.inside = strangers
    for _ in range(3):
        bench.send(b"READY=1")
    assert bench.told == []
    assert bench.sockets.refused == 9
    assert len(bench.warnings) == 2
    bench.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    datagrams=st.lists(
        st.tuples(
            st.one_of(
                st.binary(max_size=6000),
                st.lists(
                    st.sampled_from(
                        [b"READY=1", b"STATUS=x", b"WATCHDOG=1", b"WATCHDOG=trigger", b"BARRIER=1", b"\0", b"="]
                    ),
                    max_size=600,
                ).map(b"\n".join),
            ),
            st.integers(min_value=0, max_value=253),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_hostile_datagrams_never_hurt(datagrams: list[tuple[bytes, int, bool]]) -> None:
    async def hear() -> None:
        read_end, write_end = os.pipe()
        bench = Bench()
        bench.watch("ready", READY)
        bench.watch("health", ALIVE)
        before = len(os.listdir("/proc/self/fd"))
        for datagram, descriptors, inside in datagrams:
            bench.inside = strangers if not inside else everyone
            bench.send(datagram, [write_end] * descriptors)
        assert len(os.listdir("/proc/self/fd")) == before, "every descriptor that came was closed"
        os.close(write_end)
        assert os.read(read_end, 1) == b"", "and none is held in a queue"
        os.close(read_end)
        assert len(bench.told) <= 4 * len(datagrams)
        bench.close()

    asyncio.run(hear())
