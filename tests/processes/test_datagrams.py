"""The journal and syslog: real sockets, with and without anybody behind them."""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.core.names import ElectionName, ProcessId, ProcessName, RunId
from supervisor.core.spec import LogSpec, LogTarget, SyslogFormat
from supervisor.processes import datagrams
from supervisor.processes.datagrams import DatagramOutlet, Journal, Sender, Syslog
from supervisor.processes.sink import Sink
from tests.processes.test_logs import Bench, say, say_and_hush

API = ProcessId(ElectionName("billing"), ProcessName("api"))
VARIABLES = {
    "SUPERVISOR_NODE": "web-1",
    "SUPERVISOR_ELECTION": "billing",
    "SUPERVISOR_ROLE": "leader",
    "SUPERVISOR_PROCESS": "api",
    "SUPERVISOR_TERM": "billing#1234",
    "SUPERVISOR_FENCING_TOKEN": "1234",
    "SUPERVISOR_LEASE_ID": "7587",
}


class Receiver:
    """A socket that takes datagrams."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(20)

    def take(self) -> bytes:
        return self.socket.recv(1 << 20)

    def close(self) -> None:
        self.socket.close()
        self.path.unlink(missing_ok=True)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path / "socket")
    yield receiver
    receiver.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


def fields(datagram: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in datagram.decode().splitlines())


async def test_the_journal_is_told_who_speaks(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "JOURNAL_SOCKET", str(receiver.path))
    bench = Bench()
    bench.capture.configure(API, LogSpec(targets=(LogTarget.JOURNAL,)))
    stdout, stderr = bench.capture.open(API, RunId(1), variables=tuple(VARIABLES.items()))
    bench.capture.started(API, RunId(1), 4711)
    say(stdout, b"one = 1\n\n<4>careful\n")
    first, second = await asyncio.to_thread(receiver.take), await asyncio.to_thread(receiver.take)
    assert fields(first) == {
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "billing/api",
        "SYSLOG_PID": "4711",
        "SUPERVISOR_STREAM": "stdout",
        **{name: value for name, value in VARIABLES.items() if name != "SUPERVISOR_LEASE_ID"},
        "MESSAGE": "one = 1",
    }
    assert (fields(second)["PRIORITY"], fields(second)["MESSAGE"]) == ("4", "careful")
    say(stderr, b"bad\n")
    third = fields(await asyncio.to_thread(receiver.take))
    assert (third["PRIORITY"], third["SUPERVISOR_STREAM"]) == ("3", "stderr")
    await bench.ended()
    assert await bench.close() == b""
    assert bench.warnings == []


@pytest.mark.parametrize(
    ("spoken", "shape"),
    [
        (SyslogFormat.RFC3164, rb"<155>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d billing/api\[4711\]: bad"),
        (
            SyslogFormat.RFC5424,
            rb"<155>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ billing/api 4711 - - bad",
        ),
    ],
)
async def test_syslog(
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    spoken: SyslogFormat,
    shape: bytes,
) -> None:
    monkeypatch.setattr(datagrams, "SYSLOG_SOCKET", str(receiver.path))
    bench = Bench()
    log = LogSpec(targets=(LogTarget.SYSLOG, LogTarget.STDOUT), syslog_facility="local3", syslog_format=spoken)
    bench.capture.configure(API, log)
    stdout, stderr = bench.capture.open(API, RunId(1))
    bench.capture.started(API, RunId(1), 4711)
    say_and_hush(stderr, stdout, b"bad\n")
    assert re.fullmatch(shape, await asyncio.to_thread(receiver.take))
    await bench.ended()
    assert await bench.close() == b"billing/api ! bad\n"


async def test_a_receiver_that_takes_nothing_holds_nobody_up_and_the_gap_is_told(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "JOURNAL_SOCKET", str(receiver.path))
    monkeypatch.setattr(datagrams, "SEND_SECONDS", 0.01)
    bench = Bench()
    bench.capture._targets.datagrams._retry_seconds = 0.01
    bench.capture.configure(API, LogSpec(targets=(LogTarget.JOURNAL,)))
    stdout, stderr = bench.capture.open(API, RunId(1))
    await asyncio.to_thread(say, stdout, b"".join(b"line %d\n" % n for n in range(20_000)))  # a queue holds a few dozen
    await until(lambda: bool(bench.warnings))
    assert "the journal" in bench.warnings[0]
    assert "it takes nothing" in bench.warnings[0]
    assert bench.capture.losses()[API].trouble

    said, dropped = 0, 0
    say(stderr, b"after\n")
    while said + dropped < 20_001:  # whatever is dropped is told, even if nothing more is said
        message = fields(await asyncio.to_thread(receiver.take))["MESSAGE"]
        told = re.match(r"(\d+) lines? .* of billing/api were dropped", message)
        said, dropped = (said, dropped + int(told[1])) if told else (said + 1, dropped)
    await bench.ended()
    await bench.close()
    assert dropped > 0
    assert bench.capture.losses()[API].lines == dropped


async def test_a_receiver_that_is_restarted_is_found_again(receiver: Receiver, tmp_path: Path) -> None:
    warnings: list[str] = []
    outlet = DatagramOutlet(str(receiver.path), "the journal", Journal(), warn=warnings.append)
    sink = Sink(name="t", retry_seconds=0.01)
    lane = sink.lane("billing/api", outlet)
    sender = Sender(process="billing/api", stream="stdout", variables={})

    def put(text: bytes) -> None:
        lane.put(text, lambda block: outlet.protocol.render(0.0, sender, block))

    put(b"one\n")
    assert fields(receiver.take())["MESSAGE"] == "one"
    receiver.close()
    again = Receiver(tmp_path / "socket")
    put(b"two\n")
    assert fields(again.take())["MESSAGE"] == "two"
    again.close()
    put(b"lost\n")
    await until(lambda: outlet.trouble != "")
    once_more = Receiver(tmp_path / "socket")
    assert fields(once_more.take())["MESSAGE"].startswith("1 line (")
    assert await sink.close(timeout_seconds=20)
    once_more.close()
    assert [w.partition(": ")[0] for w in warnings] == [
        f"the journal ({receiver.path}) cannot be written",
        f"the journal ({receiver.path}) is written again",
    ]


def test_bytes_of_any_kind_and_the_longest_line_fit(receiver: Receiver) -> None:
    outlet = DatagramOutlet(str(receiver.path), "the journal", Journal(), warn=lambda _: None)
    sender = Sender(process="p", stream="stdout", variables={"SUPERVISOR_NODE": "a\nFAKE=1"})
    long = b"\xff\x00\r=" * 16_384
    outlet.write(outlet.protocol.render(0.0, sender, long + b"\n"))
    datagram = receiver.take()
    assert datagram.endswith(b"MESSAGE=" + long + b"\n")
    assert b"FAKE" not in datagram
    outlet.close()


def test_an_app_name_of_rfc5424_is_printable_and_short() -> None:
    protocol = Syslog(facility="daemon", format=SyslogFormat.RFC5424, host="web-1")
    frame = protocol.render(0.0, Sender(process="b/" + "x" * 90, stream="stdout", variables={}), b"hi\n")[4:]
    assert frame == b"<30>1 1970-01-01T00:00:00.000000Z web-1 b/" + b"x" * 46 + b" - - - hi"
