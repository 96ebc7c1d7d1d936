"""Capture on real pipes: children are threads that write, the output is a pipe that is or is not read."""

import asyncio
import fcntl
import os
import pty
import re
import threading
import tty
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from supervisor.core.names import ElectionName, ProcessId, ProcessName, RunId
from supervisor.core.spec import LogSpec
from supervisor.processes.lines import MAX_LINE_BYTES
from supervisor.processes.logs import LogCapture
from supervisor.processes.output import Output
from supervisor.processes.pipes import Collector
from supervisor.processes.tail import TAIL_BYTES

API = ProcessId(ElectionName("billing"), ProcessName("api"))
WORKER = ProcessId(ElectionName("billing"), ProcessName("worker"))


class Bench:
    """A capture whose output is a pipe; ``read`` collects it from now on, in a thread."""

    def __init__(self, *, terminal: bool = False, bound_bytes: int = 4 * 1024 * 1024) -> None:
        if terminal:
            self.read_end, self.write_end = pty.openpty()
            tty.setraw(self.write_end)  # or the line discipline would rewrite newlines
        else:
            self.read_end, self.write_end = os.pipe()
        self.output = Output(self.write_end, bound_bytes=bound_bytes)
        self.warnings: list[str] = []
        self.capture = LogCapture(output=self.output, on_warning=self.warnings.append)
        self.data = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._runs = 0
        self.closed = False

    def read(self) -> None:
        self._reader.start()

    def _read(self) -> None:
        try:
            while chunk := os.read(self.read_end, 65536):
                self.data += chunk
        except OSError:  # how a terminal says that nobody is at its other end
            return

    def start(self, process: ProcessId) -> tuple[RunId, int, int]:
        self._runs += 1
        run = RunId(self._runs)
        return run, *self.capture.open(process, run)

    async def ended(self) -> None:
        """All pipes have reached end of file."""
        await until(lambda: not any(captured.streams for captured in self.capture._captured.values()))

    async def close(self) -> bytes:
        self.closed = True
        await self.capture.close(timeout_seconds=20)
        if not self._reader.ident:
            self.read()
        await self.output.close(timeout_seconds=20)
        os.close(self.write_end)
        await asyncio.to_thread(self._reader.join)
        os.close(self.read_end)
        return bytes(self.data)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    if not bench.closed:
        await bench.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)


def say(fd: int, data: bytes) -> None:
    with os.fdopen(fd, "wb", buffering=0) as stream:
        view = memoryview(data)
        while view:
            view = view[stream.write(view) or 0 :]


def say_and_hush(stdout: int, stderr: int, data: bytes) -> None:
    say(stdout, data)
    os.close(stderr)


async def test_lines_are_prefixed_and_stderr_is_marked(bench: Bench) -> None:
    _, stdout, stderr = bench.start(API)
    say(stdout, b"one\n\xff\x1b[1m raw\nincomplete")
    say(stderr, b"bad\n")
    always = ProcessId(ElectionName(""), ProcessName("exporter"))
    _, stdout, stderr = bench.start(always)
    say_and_hush(stdout, stderr, b"hello\n")
    await bench.ended()
    lines = (await bench.close()).splitlines()
    assert sorted(lines) == sorted([
        b"billing/api | one",
        b"billing/api | \xff\x1b[1m raw",
        b"billing/api | incomplete",
        b"billing/api ! bad",
        b"exporter | hello",
    ])  # fmt: skip


async def test_the_ends_are_what_children_need(bench: Bench) -> None:
    _, stdout, stderr = bench.start(API)
    for fd in (stdout, stderr):
        assert not os.get_inheritable(fd)
        assert os.get_blocking(fd)
        assert fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) >= 65536
        os.close(fd)
    await bench.ended()


async def test_50_mb_are_drained_while_nobody_reads_the_output(bench: Bench) -> None:
    _, stdout, stderr = bench.start(API)
    line = b"z" * 999 + b"\n"
    flood = threading.Thread(target=say_and_hush, args=(stdout, stderr, line * 50_000))
    _, other_stdout, other_stderr = bench.start(WORKER)
    flood.start()
    await until(lambda: not flood.is_alive())
    say_and_hush(other_stdout, other_stderr, b"still heard\n")
    await bench.ended()
    flood.join()
    assert bench.capture.tail(API).endswith(line)
    text = await bench.close()
    assert b"billing/worker | still heard\n" in text, "one that floods leaves room for others"
    dropped = sum(
        int(number) for number in re.findall(rb"supervisor: (\d+) lines .* of billing/api were dropped", text)
    )
    assert dropped > 40_000
    assert text.count(b"billing/api | " + line) + dropped == 50_000


async def test_two_floods_never_mix_within_a_line(bench: Bench) -> None:
    bench.read()
    threads = []
    for process, letter in ((API, b"a"), (WORKER, b"w")):
        _, stdout, stderr = bench.start(process)
        for fd in (stdout, stderr):
            text = b"".join(letter * (number % 300) + b"\n" for number in range(2000))
            threads.append(threading.Thread(target=say, args=(fd, text)))
    for thread in threads:
        thread.start()
    await bench.ended()
    for thread in threads:
        thread.join()
    lines = (await bench.close()).splitlines()
    assert len(lines) == 8000
    assert all(re.fullmatch(rb"billing/api [|!] a*|billing/worker [|!] w*", line) for line in lines)


async def test_a_terminal_is_not_obeyed_by_children() -> None:
    bench = Bench(terminal=True)
    bench.read()
    _, stdout, stderr = bench.start(API)
    say_and_hush(stdout, stderr, b"\x1b[2Jgone\xc2\x9b\r\n")
    await bench.ended()
    await until(lambda: b"\n" in bench.data)
    assert await bench.close() == b"billing/api | \\x1b[2Jgone\\x9b\n"


async def test_a_file_gets_the_bytes_as_they_are_and_rotates(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    bench.capture.configure(API, LogSpec(file=str(log), max_size_bytes=100_000, keep=100))
    _, stdout, stderr = bench.start(API)
    text = b"".join(b"%06d \x1b[1m\n" % number for number in range(100_000))
    writer = threading.Thread(target=say_and_hush, args=(stdout, stderr, text))
    writer.start()
    await bench.ended()
    writer.join()
    assert await bench.close() == b""
    files = sorted(tmp_path.iterdir(), key=lambda path: -int(path.suffix[1:]) if path.suffix != ".log" else 1)
    assert all(path.stat().st_size <= 100_000 for path in files)
    assert b"".join(path.read_bytes() for path in files) == text
    assert bench.warnings == []


async def test_where_lines_go_changes_under_a_running_child(bench: Bench, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    bench.read()
    _, stdout, stderr = bench.start(API)

    async def heard(text: str) -> None:
        os.write(stdout, f"{text}\n".encode())
        await until(lambda: text.encode() in bench.capture.tail(API))

    await heard("output")
    bench.capture.configure(API, LogSpec(file=str(first)))
    await heard("first")
    bench.capture.configure(WORKER, LogSpec(file=str(first)))  # shared: stays open for the other
    bench.capture.configure(API, LogSpec(file=str(second)))
    await heard("second")
    bench.capture.configure(API, LogSpec(file=str(second), keep=1))
    await heard("second again")
    bench.capture.configure(API, LogSpec())
    await heard("output again")
    os.close(stdout)
    os.close(stderr)
    await bench.ended()
    assert await bench.close() == b"billing/api | output\nbilling/api | output again\n"
    assert first.read_bytes() == b"first\n"
    assert second.read_bytes() == b"second\nsecond again\n"


async def test_a_missing_directory_and_a_full_disk_are_told_once(bench: Bench, tmp_path: Path) -> None:
    missing = tmp_path / "logs" / "api.log"
    bench.capture._targets.files._retry_seconds = 0.01
    bench.capture.configure(API, LogSpec(file=str(missing)))
    bench.capture.configure(WORKER, LogSpec(file="/dev/full"))
    _, stdout, stderr = bench.start(API)
    _, full_stdout, full_stderr = bench.start(WORKER)
    say_and_hush(full_stdout, full_stderr, b"nowhere\n" * 1000)
    os.write(stdout, b"lost\n")
    await until(lambda: len(bench.warnings) == 2)
    os.write(stdout, b"lost too\n")
    await until(lambda: b"lost too" in bench.capture.tail(API))
    missing.parent.mkdir()
    said = 0
    while len(bench.warnings) < 3:  # it is tried again with new lines only, and not at once
        os.write(stdout, b"back\n")
        said += 1
        await asyncio.sleep(0.01)
    say_and_hush(stdout, stderr, b"end\n")
    await bench.ended()
    assert await bench.close() == b""
    full, api = sorted(bench.warnings[:2])
    assert "/dev/full cannot be written: No space left on device" in full
    assert f"{missing} cannot be written: No such file or directory" in api
    recovered = re.fullmatch(
        rf"log file {missing} is written again: (\d+) lines \(\d+ bytes\) of billing/api were dropped: No such .*",
        bench.warnings[2],
    )
    assert recovered, bench.warnings
    text = missing.read_bytes()
    assert text.endswith(b"back\nend\n")
    assert int(recovered[1]) + text.count(b"\n") == 2 + said + 1


async def test_long_lines_are_cut(bench: Bench) -> None:
    bench.read()
    _, stdout, stderr = bench.start(API)
    writer = threading.Thread(
        target=say_and_hush, args=(stdout, stderr, b"l" * (2 * MAX_LINE_BYTES + 5) + b"\nshort\n")
    )
    writer.start()
    await bench.ended()
    writer.join()
    lines = [line.removeprefix(b"billing/api | ") for line in (await bench.close()).splitlines()]
    assert [len(line) for line in lines] == [MAX_LINE_BYTES, MAX_LINE_BYTES, 5, 5]


async def test_the_last_words_of_a_run(bench: Bench) -> None:
    first, stdout, stderr = bench.start(API)
    say(stdout, b"from the first run\n")
    say(stderr, b"Traceback:\n\x1b[31mboom\nunfinished")
    # Asked at once, as when the exit is heard of before the pipe is read.
    words = ("from the first run", "Traceback:", "\\x1b[31mboom", "unfinished")
    assert bench.capture.last_words(API, first) == words
    second, stdout, stderr = bench.start(API)
    assert bench.capture.last_words(API, first) == ()
    assert bench.capture.last_words(API, second) == ()
    say_and_hush(stdout, stderr, b"1\n2\n3\n")
    assert bench.capture.last_words(API, second, lines=2) == ("2", "3")
    assert bench.capture.last_words(WORKER, second) == ()
    assert bench.capture.tail(API, 4) == b"2\n3\n"


async def test_the_tail_is_bounded_whole_lines_and_forgotten_on_demand(bench: Bench) -> None:
    bench.read()
    _, stdout, stderr = bench.start(API)
    text = b"".join(b"%d\n" % number for number in range(100_000))
    writer = threading.Thread(target=say, args=(stdout, text))
    writer.start()
    await until(lambda: bench.capture.tail(API).endswith(b"\n99999\n"))
    writer.join()
    tail = bench.capture.tail(API)
    assert TAIL_BYTES - 8 < len(tail) <= TAIL_BYTES
    assert text.endswith(b"\n" + tail)
    bench.capture.forget(API)
    os.write(stderr, b"still there\n")
    await until(lambda: bench.capture.tail(API).endswith(b"still there\n"))
    os.close(stderr)
    await until(lambda: bench.capture.tail(API) == b"")
    bench.capture.forget(API)
    await bench.close()


async def test_closing_takes_what_is_left_in_the_pipes(bench: Bench, tmp_path: Path) -> None:
    bench.capture.configure(WORKER, LogSpec(file=str(tmp_path / "log")))
    _, stdout, stderr = bench.start(API)
    _, file_stdout, file_stderr = bench.start(WORKER)
    os.write(stdout, b"x\n" * 10_000 + b"half")
    os.write(file_stderr, b"goodbye\n")
    text = await bench.close()  # the write ends are open still
    assert text == b"billing/api | x\n" * 10_000 + b"billing/api | half\n"
    assert (tmp_path / "log").read_bytes() == b"goodbye\n"
    for fd in (stdout, stderr, file_stdout, file_stderr):
        os.close(fd)


async def test_without_descriptors_nothing_is_left_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, calls = os.pipe, 0

    def second_fails() -> tuple[int, int]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(24, "Too many open files")
        return pipe()

    monkeypatch.setattr(os, "pipe", second_fails)
    with pytest.raises(OSError, match="Too many"):
        bench.start(API)
    monkeypatch.undo()
    await bench.ended()


async def test_a_collector_keeps_the_end() -> None:
    collector = Collector(keep_bytes=6)
    fd = collector.open()
    say(fd, b"first\nlast\n")
    assert collector.finish() == b"\nlast\n"
    assert collector.finish() == b"\nlast\n"
    unused = Collector()
    assert unused.finish() == b""
