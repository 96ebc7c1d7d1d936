"""The writer's thread against real pipes, a terminal and a device that is always full."""

import asyncio
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.processes import sink as sink_module
from supervisor.processes.output import FdOutlet, Output
from supervisor.processes.sink import Gap, Loss, Outlet, OutletError, Sink

LINE = b"x" * 99 + b"\n"


class Reader:
    """Reads a pipe in a thread once told to, so that the writer is blocked until then."""

    def __init__(self) -> None:
        self.fd, self.write_end = os.pipe()
        self.data = bytearray()
        self._thread = threading.Thread(target=self._run)
        self._started = False

    def start(self) -> None:
        self._started = True
        self._thread.start()

    def finish(self) -> bytes:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1
        if not self._started:
            self.start()
        self._thread.join()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        return bytes(self.data)

    def _run(self) -> None:
        while chunk := os.read(self.fd, 65536):
            self.data += chunk


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.finish()


class FakeOutlet(Outlet):
    """Fails while told to; takes ``takes`` bytes of the failing write."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.failing = False
        self.takes = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.told: list[str] = []
        self.closed = threading.Event()

    def write(self, data: bytes) -> None:
        self.entered.set()
        self.gate.wait()
        if self.failing:
            self.data += data[: self.takes]
            raise OutletError("no luck", written=self.takes)
        self.data += data

    def failed(self) -> None:
        self.told.append(f"failed: {self.trouble}")

    def hung(self) -> None:
        self.told.append("hung")

    def recovered(self, gap: Gap) -> None:
        self.told.append(str(gap))

    def close(self) -> None:
        self.closed.set()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


async def test_blocks_are_written_in_order_and_rendered() -> None:
    sink, outlet = Sink(name="t"), FakeOutlet()
    a, b = sink.lane("a", outlet), sink.lane("b", outlet)
    for number in range(100):
        (a, b)[number % 2].put(b"%d\n" % number, bytes.upper if number % 2 else None)
    a.put(b"")
    assert await sink.close(timeout_seconds=20)
    assert outlet.data == b"".join(b"%d\n" % number for number in range(100))
    assert outlet.closed.is_set()
    assert outlet.told == []


async def test_without_a_block_there_is_no_thread() -> None:
    before = threading.active_count()
    sink = Sink(name="t")
    sink.lane("a", FakeOutlet()).retire()
    assert threading.active_count() == before
    assert await sink.close(timeout_seconds=1)


async def test_a_blocked_outlet_blocks_nobody_and_the_gap_is_told_once_in_its_place(reader: Reader) -> None:
    output = Output(reader.write_end, bound_bytes=100_000)
    lane = output.lane("billing/api")
    lane.put(b"f" * 1_000_000 + b"\n")  # more than any pipe takes: the writer hangs
    await until(lambda: lane.pending_bytes == 0)
    for _ in range(5000):  # 500 kB into a queue of 100 kB
        lane.put(LINE)
    reader.start()
    await until(lambda: b"dropped" in reader.data)
    lane.put(b"after\n")
    assert await output.close(timeout_seconds=20)
    text = reader.finish()
    gaps = re.findall(rb"supervisor: (\d+) lines \((\d+) bytes\) of billing/api were dropped: (.*)\n", text)
    assert len(gaps) == 1
    written, dropped = text.count(LINE), int(gaps[0][0])
    assert written + dropped == 5000
    assert int(gaps[0][1]) == dropped * len(LINE)
    assert text.lstrip(b"f").startswith(b"\n" + LINE * written + b"supervisor: ")
    assert text.endswith(b"\nafter\n")


async def test_a_flood_leaves_room_for_others() -> None:
    sink, outlet = Sink(name="t", bound_bytes=100_000), FakeOutlet()
    outlet.gate.clear()
    flood, quiet = sink.lane("flood", outlet), sink.lane("quiet", outlet)
    flood.put(LINE)
    await until(outlet.entered.is_set)
    for number in range(10_000):
        flood.put(LINE)
        if number % 1000 == 0:
            quiet.put(b"quiet\n")
    outlet.gate.set()
    assert await sink.close(timeout_seconds=20)
    assert outlet.data.count(b"quiet\n") == 10
    assert 400 <= outlet.data.count(LINE) <= 600, "about half of the queue"
    assert [told.partition(" of ")[2].partition(" ")[0] for told in outlet.told] == ["flood"]


async def test_a_failing_outlet_drops_and_counts_and_tells_each_change_once() -> None:
    sink, outlet = Sink(name="t", retry_seconds=0.0), FakeOutlet()
    lane = sink.lane("a", outlet)
    outlet.failing = True
    lane.put(b"one\ntwo\n")
    for _ in range(3):
        lane.put(b"three\n")
    await until(lambda: lane.lost.lines == 5)
    outlet.failing = False
    lane.put(b"four\n")
    await until(lambda: len(outlet.told) > 1)
    lane.put(b"five\n")
    assert await sink.close(timeout_seconds=20)
    assert outlet.data == b"four\nfive\n"
    assert outlet.told == ["failed: no luck", "5 lines (26 bytes) of a were dropped: no luck"]


async def test_what_was_written_before_the_failure_is_not_counted() -> None:
    sink, outlet = Sink(name="t", retry_seconds=0.0), FakeOutlet()
    lane = sink.lane("a", outlet)
    outlet.failing, outlet.takes = True, 4
    lane.put(b"one\ntwo\nthree\n")
    await until(lambda: bool(outlet.told))
    outlet.failing = False
    lane.put(b"four\n")
    assert await sink.close(timeout_seconds=20)
    assert outlet.data == b"one\nfour\n"
    assert outlet.told[1].startswith("2 lines (10 bytes) of a")


async def test_a_full_device_never_stops_the_writer() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        output = Output(fd)
        for _ in range(100):
            output.lane("a").put(LINE)
        assert not await output.close(timeout_seconds=20)
    finally:
        os.close(fd)


async def test_output_to_a_closed_pipe_is_dropped_not_fatal() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        output = Output(write_end)
        output.lane("a").put(LINE)
        assert not await output.close(timeout_seconds=20)
    finally:
        os.close(write_end)


async def test_the_gap_is_told_even_if_nothing_more_is_said(reader: Reader) -> None:
    sink = Sink(name="t", retry_seconds=0.01)
    outlet = FdOutlet(reader.write_end, gap_line=lambda gap: f"gap of {gap.lines}: {gap.cause}\n".encode())
    spare = os.dup(reader.write_end)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, reader.write_end)  # now every write fails ...
    lane = sink.lane("a", outlet)
    lane.put(LINE)
    await until(lambda: outlet.trouble != "")
    os.dup2(spare, reader.write_end)  # ... and now it does not
    os.close(full)
    os.close(spare)
    reader.start()
    await until(lambda: bytes(reader.data) == b"gap of 1: No space left on device\n")
    assert await sink.close(timeout_seconds=20)


def test_a_line_torn_by_a_failure_does_not_swallow_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fd = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    outlet = FdOutlet(fd, gap_line=lambda gap: str(gap).encode())
    write, calls = os.write, 0

    def torn(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        return write(fd, data[:3] if calls == 1 else data)

    monkeypatch.setattr(os, "write", torn)
    with pytest.raises(OutletError) as error:
        outlet.write(b"hello\n")
    assert error.value.written == 3
    outlet.write(b"next\n")
    monkeypatch.undo()
    os.close(fd)
    assert (tmp_path / "out").read_bytes() == b"hel\nnext\n"


async def test_a_non_blocking_descriptor_is_waited_for(reader: Reader) -> None:
    os.set_blocking(reader.write_end, False)
    output = Output(reader.write_end)
    lane = output.lane("a")
    for _ in range(5000):
        lane.put(LINE)
    reader.start()
    assert await output.close(timeout_seconds=20)
    assert reader.finish() == LINE * 5000


async def test_closing_a_blocked_output_gives_up_in_time(reader: Reader) -> None:
    output = Output(reader.write_end)
    for _ in range(5000):
        output.lane("a").put(LINE)
    assert not await output.close(timeout_seconds=0.05)


async def test_retiring_closes_the_outlet_after_its_last_block() -> None:
    sink, first, second = Sink(name="t"), FakeOutlet(), FakeOutlet()
    lane = sink.lane("a", first)
    lane.put(b"last\n")
    lane.retire()
    sink.lane("a", second).put(b"next\n")
    await until(first.closed.is_set)
    assert not second.closed.is_set()
    assert await sink.close(timeout_seconds=20)
    assert (first.data, second.data) == (b"last\n", b"next\n")
    assert second.closed.is_set()


async def test_without_a_thread_to_be_had_nothing_is_raised_or_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    sink, outlet = Sink(name="t"), FakeOutlet()
    lane = sink.lane("a", outlet)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    lane.put(b"one\n")
    monkeypatch.undo()
    lane.put(b"two\n")
    assert await sink.close(timeout_seconds=20)
    assert outlet.data == b"one\ntwo\n"


def test_one_line_is_one_line() -> None:
    gap = Gap(source="a", lines=Loss.of(LINE).lines, size_bytes=100, cause="why")
    assert str(gap) == "1 line (100 bytes) of a were dropped: why"


# --- patience ------------------------------------------------------------------------------------------------------


async def test_a_patient_lane_is_full_and_loses_nothing_while_its_outlet_gets_on() -> None:
    sink, outlet = Sink(name="t", bound_bytes=1000), FakeOutlet()
    outlet.gate.clear()
    lane = sink.lane("a", outlet, patient=True)
    put = 0
    while not lane.full():
        lane.put(LINE)
        put += 1
    assert put < 12
    outlet.gate.set()
    await until(lambda: not lane.full())
    assert await sink.close(timeout_seconds=20)
    assert outlet.data == LINE * put
    assert lane.dropped == Loss()


async def test_an_outlet_that_hangs_is_not_waited_for_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "STALL_SECONDS", 1.0)
    monkeypatch.setattr(sink_module, "HELP_SECONDS", 0.01)
    sink, hung, well = Sink(name="t", bound_bytes=1000), FakeOutlet(), FakeOutlet()
    hung.gate.clear()
    lane, other = sink.lane("a", hung, patient=True), sink.lane("b", well, patient=True)
    lane.put(LINE)
    await until(hung.entered.is_set)
    while not lane.full():
        lane.put(LINE)
    other.put(LINE)  # one thread is all that is wanted, and it hangs
    await until(lambda: lane.full() and well.data == LINE)  # another took its place
    await until(lambda: not lane.full())  # it has hung for long enough
    for _ in range(100):
        lane.put(LINE)
        await until(lambda: not other.full())
        other.put(LINE)
    await until(lambda: well.data == LINE * 101)
    assert other.dropped.lines == 0
    dropped = lane.dropped.lines
    assert dropped > 50
    hung.gate.set()
    assert await sink.close(timeout_seconds=20)
    assert hung.told[0] == "hung"
    assert f"{dropped} lines" in hung.told[1]


async def test_a_failing_outlet_is_not_waited_for() -> None:
    sink, outlet = Sink(name="t", bound_bytes=1000, retry_seconds=60.0), FakeOutlet()
    outlet.failing = True
    lane = sink.lane("a", outlet, patient=True)
    for _ in range(1000):
        await until(lambda: not lane.full())
        lane.put(LINE)
    await until(lambda: lane.dropped.lines == 1000)
    assert not await sink.close(timeout_seconds=20)


async def test_a_mistake_in_a_rendering_costs_one_block() -> None:
    def broken(_: bytes) -> bytes:
        raise ZeroDivisionError

    sink, outlet = Sink(name="t", retry_seconds=0.01), FakeOutlet()
    lane = sink.lane("a", outlet)
    lane.put(b"one\n", broken)
    lane.put(b"two\n")
    assert await sink.close(timeout_seconds=20)
    assert outlet.data == b"two\n"
    assert outlet.told == ["1 line (4 bytes) of a were dropped: ZeroDivisionError: "]


async def test_an_outlet_is_reopened_in_its_turn() -> None:
    sink, outlet = Sink(name="t"), FakeOutlet()
    order: list[bytes] = []
    outlet.reopen = lambda: order.append(outlet.data)  # type: ignore[method-assign]
    outlet.gate.clear()
    lane = sink.lane("a", outlet)
    lane.put(b"before\n")
    lane.reopen()
    lane.put(b"after\n")
    outlet.gate.set()
    assert await sink.close(timeout_seconds=20)
    assert order == [b"before\n"]
    assert outlet.data == b"before\nafter\n"
