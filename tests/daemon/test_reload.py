"""The file is read again whenever it changes, however it is changed, and a bad one changes nothing."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.config.apart import Reading
from supervisor.config.loaded import Loaded
from supervisor.core import machine
from supervisor.core.events import ConfigLoaded, ConfigRejected, Event
from supervisor.core.names import Instant, NodeName
from supervisor.daemon import reload as reload_module
from supervisor.daemon.reload import Reloader

GOOD, OTHER, BAD = "processes: {p: {command: x}}\n", "processes: {p: {command: y}}\n", "processes: 1\n"


class Watched:
    """A reloader and what it posts; the state it sees follows what it posts, as the core's would."""

    def __init__(self, file: Path) -> None:
        self._state = machine.initial(NodeName("n"), now=Instant(0.0), wall_offset_seconds=0.0)
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self.reloader = Reloader(file, node="n", state_dir=file.parent, post=self.post, state=lambda: self._state)

    def post(self, event: Event) -> None:
        if isinstance(event, ConfigLoaded):
            self._state = replace(self._state, spec=event.spec, problems=())
        if isinstance(event, ConfigRejected):
            self._state = replace(self._state, problems=event.problems)
        self._events.put_nowait(event)

    async def next(self) -> Event:
        async with asyncio.timeout(20):
            return await self._events.get()

    async def command(self) -> str:
        """Of the process in the file that is adopted next."""
        event = await self.next()
        assert isinstance(event, ConfigLoaded)
        return next(iter(event.spec.processes.values())).command[0]


@asynccontextmanager
async def watching(file: Path) -> AsyncIterator[Watched]:
    watched = Watched(file)
    watched.post(watched.reloader.read())
    await watched.next()
    task = asyncio.create_task(watched.reloader.watch())
    try:
        yield watched
    finally:
        task.cancel()
        watched.reloader.close()
        await asyncio.wait([task])


def rename_over(path: Path, text: str) -> None:
    beside = path.with_name("beside")
    beside.write_text(text)
    beside.replace(path)


async def test_a_file_saved_in_place_or_renamed_over(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(GOOD)
    saves: list[Callable[[Path, str], object]] = [Path.write_text, rename_over]
    async with watching(file) as watched:
        for save in saves:
            save(file, OTHER)
            assert await watched.command() == "y"
            save(file, GOOD)
            assert await watched.command() == "x"


async def test_a_bad_file_is_rejected_until_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(GOOD)
    async with watching(file) as watched:
        file.write_text(BAD)
        event = await watched.next()
        assert isinstance(event, ConfigRejected)
        assert all(problem.startswith(f"{file}:1:") for problem in event.problems)
        file.write_text(OTHER)
        assert await watched.command() == "y"


async def test_who_asks_for_a_reload_is_shown_the_line_and_the_log_has_one_line_each(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(GOOD)
    watched = Watched(file)
    watched.post(watched.reloader.read())
    await watched.next()
    file.write_text("processes: {p: {command: x, usr: a}}")
    adopted, problems, _ = await watched.reloader.reload()
    event = await watched.next()
    assert isinstance(event, ConfigRejected)
    assert not adopted
    assert problems == (f"{event.problems[0]}\n    1 | processes: {{p: {{command: x, usr: a}}}}\n      | {' ' * 28}^",)
    assert "\n" not in event.problems[0]


async def test_a_mounted_config_map_is_swapped_as_a_whole(tmp_path: Path) -> None:
    for name, text in (("..1", GOOD), ("..2", OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "f.yaml").symlink_to("..data/f.yaml")
    async with watching(tmp_path / "f.yaml") as watched:
        (tmp_path / "..new").symlink_to("..2")
        os.replace(tmp_path / "..new", tmp_path / "..data")
        assert await watched.command() == "y"


async def test_an_included_file_may_come_break_and_be_mended(tmp_path: Path) -> None:
    file, more = tmp_path / "f.yaml", tmp_path / "conf.d" / "more.yaml"
    more.parent.mkdir()
    file.write_text("include: [conf.d/*.yaml]\n" + GOOD)
    async with watching(file) as watched:
        more.write_text("processes: {q: {command: z}}\n")
        event = await watched.next()
        assert isinstance(event, ConfigLoaded)
        assert len(event.spec.processes) == 2
        more.write_text(BAD)
        assert isinstance(await watched.next(), ConfigRejected)
        more.unlink()
        assert await watched.command() == "x"


async def test_without_inotify_it_looks_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(24, "no instance left")

    monkeypatch.setattr(reload_module, "Inotify", refuse)
    monkeypatch.setattr(reload_module, "LOOK_AGAIN_SECONDS", 0.05)
    file = tmp_path / "f.yaml"
    file.write_text(GOOD)
    async with watching(file) as watched:
        file.write_text(OTHER)
        assert await watched.command() == "y"


async def test_those_who_ask_during_a_reading_share_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(GOOD)
    watched = Watched(file)
    watched.post(watched.reloader.read())
    await watched.next()
    begun, go_on, readings = threading.Event(), threading.Event(), 0

    class Slow(Reading):
        def result(self) -> Loaded:
            nonlocal readings
            readings += 1
            begun.set()
            assert go_on.wait(20)
            return super().result()

    monkeypatch.setattr(reload_module, "Reading", Slow)
    first = asyncio.create_task(watched.reloader.reload())
    assert await asyncio.to_thread(begun.wait, 20)
    file.write_text(OTHER)  # the reading under way may have seen it or not; those who ask now will
    others = [asyncio.create_task(watched.reloader.reload()) for _ in range(100)]
    await asyncio.sleep(0)
    go_on.set()
    assert (await first)[0]
    assert all(adopted for adopted, _, _ in await asyncio.gather(*others))
    assert readings == 2
    assert await watched.command() == "y"


async def test_a_caller_who_leaves_takes_nobodys_reading_away(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(GOOD)
    watched = Watched(file)
    watched.post(watched.reloader.read())
    await watched.next()
    file.write_text(OTHER)
    leaver, stayer = (asyncio.create_task(watched.reloader.reload()) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    assert (await stayer)[0]
    assert await watched.command() == "y"
