"""What a log can be asked for, on real pipes: apart, stamped, as JSON, followed, listened to; on slow and full disks."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from supervisor.core.spec import LogSpec, LogTarget
from supervisor.processes.follow import BOUND_BYTES, Heard
from supervisor.processes.logfile import FileOutlet
from tests.processes.test_logs import API, WORKER, Bench, say, say_and_hush, until

STAMP = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z "
LINE = b"y" * 99 + b"\n"
MOUNT, UMOUNT = shutil.which("mount"), shutil.which("umount")


def fill(path: Path) -> None:
    """Takes what room is left on a disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    if not bench.closed:
        await bench.close()


async def test_stderr_goes_its_own_way_and_lines_are_stamped(bench: Bench, tmp_path: Path) -> None:
    log = LogSpec(file=str(tmp_path / "out"), stderr_file=str(tmp_path / "err"), timestamps=True, prefix=True)
    bench.capture.configure(API, log)
    _, stdout, stderr = bench.start(API)
    say(stdout, b"one\ntwo\n")
    say(stderr, b"bad\n")
    await bench.ended()
    assert await bench.close() == b""
    out, err = (tmp_path / "out").read_bytes(), (tmp_path / "err").read_bytes()
    assert re.fullmatch(STAMP + rb"billing/api \| one\n" + STAMP + rb"billing/api \| two\n", out)
    assert re.fullmatch(STAMP + rb"billing/api ! bad\n", err)


async def test_to_a_file_and_our_own_output_and_nowhere(bench: Bench, tmp_path: Path) -> None:
    both = LogSpec(targets=(LogTarget.FILE, LogTarget.STDOUT), file=str(tmp_path / "log"))
    bench.capture.configure(API, both)
    bench.capture.configure(WORKER, LogSpec(targets=()))
    for process in (API, WORKER):
        _, stdout, stderr = bench.start(process)
        say_and_hush(stdout, stderr, b"hello\n")
    await bench.ended()
    assert bench.capture.tail(WORKER) == b"hello\n", "in memory all the same"
    assert await bench.close() == b"billing/api | hello\n"
    assert (tmp_path / "log").read_bytes() == b"hello\n"


async def test_every_line_is_json_and_what_was_is_untouched(bench: Bench, tmp_path: Path) -> None:
    bench.capture.configure(API, LogSpec(file=str(tmp_path / "log"), json=True))
    _, stdout, stderr = bench.start(API)
    own = b' {"level": "info", "b":1, "b":2}\r\n'
    others = [b"plain \xff\n", b"{broken\n", b"[1]\n", b"\n", b"[" * 50_000 + b"\n", b"{" * 50_000 + b"\n"]
    say_and_hush(stdout, stderr, own + b"".join(others))
    await bench.ended()
    await bench.close()
    lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    assert lines[0] == own
    wrapped = [json.loads(line) for line in lines[1:]]
    assert [w["message"] for w in wrapped[:4]] == ["plain \\xff", "{broken", "[1]", ""]
    assert all((w["process"], w["stream"]) == ("billing/api", "stdout") for w in wrapped)
    assert len(wrapped) == len(others)


async def test_a_slow_disk_makes_the_child_wait_and_loses_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    write = FileOutlet.write

    def slow(outlet: FileOutlet, data: bytes) -> None:
        gate.wait(20)
        write(outlet, data)

    monkeypatch.setattr(FileOutlet, "write", slow)
    bench.capture.configure(API, LogSpec(file=str(tmp_path / "log"), max_size_bytes=1_000_000, keep=100))
    _, stdout, stderr = bench.start(API)
    flood = threading.Thread(target=say_and_hush, args=(stdout, stderr, LINE * 200_000))
    flood.start()
    await until(lambda: bool(bench.capture._reader and bench.capture._reader._held))
    _, worker_stdout, worker_stderr = bench.start(WORKER)
    say_and_hush(worker_stdout, worker_stderr, b"others are heard\n")
    await until(lambda: bench.capture.tail(WORKER) == b"others are heard\n")
    assert flood.is_alive()
    gate.set()
    await bench.ended()
    flood.join()
    await bench.close()
    assert sum(path.read_bytes().count(LINE) for path in tmp_path.iterdir()) == 200_000
    assert bench.capture.losses() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
async def test_on_a_full_disk_the_child_runs_on_and_the_loss_is_counted(bench: Bench, tmp_path: Path) -> None:
    assert MOUNT is not None
    assert UMOUNT is not None
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run([MOUNT, "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        fill(disk / "filler")
        bench.capture._targets.files._retry_seconds = 0.01
        bench.capture.configure(API, LogSpec(file=str(disk / "log"), max_size_bytes=100_000, keep=100))
        _, stdout, stderr = bench.start(API)
        flood = threading.Thread(target=say, args=(stdout, LINE * 50_000))
        flood.start()
        await until(lambda: not flood.is_alive())
        await until(lambda: bench.capture.losses().get(API) is not None and bench.capture.losses()[API].lines == 50_000)
        assert bench.capture.losses()[API].trouble == f"file {disk}/log: No space left on device"
        (disk / "filler").unlink()

        said = 0
        while len(bench.warnings) < 2:  # it is tried again with new lines only, and not at once
            os.write(stderr, b"back\n")
            said += 1
            await asyncio.sleep(0.01)
        os.close(stderr)
        await bench.ended()
        await bench.capture.close(timeout_seconds=20)
        lost = bench.capture.losses()[API]
        assert lost.trouble == ""
        written = [line for path in disk.iterdir() for line in path.read_bytes().splitlines(keepends=True)]
        assert set(written) == {b"back\n"}
        assert "No space left on device" in bench.warnings[0]
        told = re.search(r"written again: (\d+) lines", bench.warnings[1])
        assert told
        assert int(told[1]) == lost.lines
        assert len(written) + lost.lines == 50_000 + said
    finally:
        subprocess.run([UMOUNT, disk], check=True)


async def test_reopening_loses_and_tears_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.capture.configure(API, LogSpec(file=str(tmp_path / "log"), max_size_bytes=0))
    _, stdout, stderr = bench.start(API)
    pieces = [b"".join(b"%07d\n" % (10_000 * n + m) for m in range(10_000)) for n in range(30)]
    moved = 0
    for piece in pieces:
        writing = asyncio.create_task(asyncio.to_thread(os.write, stdout, piece))
        if (tmp_path / "log").exists():  # in the middle of it
            (tmp_path / "log").rename(tmp_path / f"log-{moved:03}")
            moved += 1
            bench.capture.reopen()
        await writing
        await until(lambda: (tmp_path / "log").exists())
    os.close(stdout)
    os.close(stderr)
    await bench.ended()
    await bench.close()
    files = [*sorted(tmp_path.glob("log-*")), tmp_path / "log"]
    assert b"".join(path.read_bytes() for path in files if path.exists()) == b"".join(pieces)
    assert moved == 29


async def test_following_begins_with_what_is_kept_and_goes_on_over_restarts(bench: Bench) -> None:
    bench.read()
    _, stdout, stderr = bench.start(API)
    os.write(stdout, b"1\n2\n3\n")
    async with aclosing(bench.capture.follow([API, WORKER], lines=2)) as heard:
        first = await anext(heard)
        assert (first.process, first.stream, first.text) == (API, "stdout", b"2\n3\n")
        say_and_hush(stdout, stderr, b"4\n")
        assert (await anext(heard)).text == b"4\n"
        _, stdout, stderr = bench.start(API)
        os.write(stderr, b"5\n")
        fifth = await anext(heard)
        assert (fifth.stream, fifth.text) == ("stderr", b"5\n")
        assert fifth.at >= first.at
        os.close(stdout)
        os.close(stderr)
        _, stdout, stderr = bench.start(WORKER)
        say_and_hush(stdout, stderr, b"w\n")
        assert (await anext(heard)).process == WORKER
    assert bench.capture._captured[API].followers == ()
    await bench.ended()
    once = [said.text async for said in bench.capture.follow([API], lines=1, follow=False)]
    assert once == [b"5\n"]


async def test_a_slow_follower_misses_lines_and_is_told(bench: Bench) -> None:
    bench.read()
    _, stdout, stderr = bench.start(API)
    async with aclosing(bench.capture.follow([API])) as heard:
        os.write(stdout, b"first\n")
        got: list[Heard] = [await anext(heard)]
        await asyncio.to_thread(say, stdout, LINE * 40_000)
        await until(lambda: len(bench.capture._captured[API].streams) == 1)
        while sum(h.text.count(LINE) + h.missed for h in got) < 40_000:
            if not got[-1].missed and sum(len(h.text) for h in got) > BOUND_BYTES // 2:
                os.write(stderr, b"more\n")  # what was missed is told with what comes next
            got.append(await anext(heard))
        os.close(stderr)
    assert sum(h.missed for h in got) > 20_000
    await bench.ended()


async def test_a_listener_misses_no_line_and_is_waited_for(bench: Bench) -> None:
    bench.read()
    run, stdout, stderr = bench.start(API)
    heard = bytearray()

    def listen(block: bytes) -> bool:
        heard.extend(block)
        return b"ready" not in block

    bench.capture.listen(API, run, listen)
    text = LINE * 30_000 + b"ready\n"
    await asyncio.to_thread(say, stdout, text)
    await until(lambda: b"ready\n" in heard)
    assert bytes(heard) == text
    os.write(stderr, b"more\n")
    os.close(stderr)
    await bench.ended()
    assert bytes(heard) == text
    assert bench.capture.said(API, run).endswith(b"more\n")


async def test_a_mistake_of_ours_ends_neither_the_pipe_nor_the_thread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Supervisor#1554 did: a reader that was dropped left the child blocked for ever."""
    bench.read()
    _, stdout, stderr = bench.start(API)
    monkeypatch.setattr(type(bench.capture._captured[API]), "take", lambda *_: 1 / 0)
    os.write(stdout, b"lost\n")
    await until(lambda: len(bench.warnings) == 1)
    assert "ZeroDivisionError" in bench.warnings[0]
    monkeypatch.undo()
    say_and_hush(stdout, stderr, b"heard\n")
    await bench.ended()
    assert bench.capture.tail(API) == b"heard\n"


async def test_many_runs_leave_nothing_behind(bench: Bench, tmp_path: Path) -> None:
    bench.capture.configure(API, LogSpec(file=str(tmp_path / "log")))

    async def run() -> None:
        _, stdout, stderr = bench.start(API)
        say_and_hush(stdout, stderr, b"crash\n")
        await bench.ended()

    await run()
    await until(lambda: (tmp_path / "log").exists())
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(300):
        await run()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
    assert bench.capture._reader is not None
    assert bench.capture._reader._pipes == {}
    assert bench.capture.tail(API).count(b"crash\n") == 301
    assert bench.capture.last_lines(API, 1) == ("crash",)
