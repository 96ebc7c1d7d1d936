"""The configuration in force is on the disk, whole, and a disk that refuses it is told of and tried again."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.config.load import load
from supervisor.config.loaded import LastGood, Loaded
from supervisor.daemon import keeper as keeper_module
from supervisor.daemon.keeper import FILE_NAME, Keeper


def loaded_from(directory: Path, command: str) -> Loaded:
    file = directory / "f.yaml"
    file.write_text(f"processes: {{p: {{command: {command}}}}}\n")
    return load(file, environ={}, hostname="h")


async def seen(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def on_disk(directory: Path) -> str:
    last = LastGood.unpacked((directory / FILE_NAME).read_bytes())
    return last.kept.files[str(directory / "f.yaml")].text


async def test_what_was_offered_is_kept_once_it_is_adopted_and_not_before(tmp_path: Path) -> None:
    told: list[str] = []
    keeper = Keeper(tmp_path, tell=told.append)
    first, second = loaded_from(tmp_path, "one"), loaded_from(tmp_path, "two")
    keeper.offer(tmp_path / "f.yaml", first.spec, first)
    keeper.adopted(None)
    await keeper.close()
    assert not (tmp_path / FILE_NAME).exists()
    keeper.adopted(first.spec)
    assert keeper.hash == first.hash
    keeper.offer(tmp_path / "f.yaml", second.spec, second)
    keeper.adopted(first.spec)  # the second was refused by the core
    await keeper.close()
    assert "one" in on_disk(tmp_path)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert not told
    assert not keeper.trouble


async def test_a_burst_ends_with_the_last_one(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, tell=lambda _: None)
    for number in range(20):
        loaded = loaded_from(tmp_path, f"c{number}")
        keeper.offer(tmp_path / "f.yaml", loaded.spec, loaded)
        keeper.adopted(loaded.spec)
    await seen(lambda: (tmp_path / FILE_NAME).exists() and "c19" in on_disk(tmp_path))
    await keeper.close()


async def test_a_disk_that_is_full_is_told_of_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    keeper = Keeper(tmp_path, tell=told.append)
    good = loaded_from(tmp_path, "one")
    keeper.offer(tmp_path / "f.yaml", good.spec, good)
    keeper.adopted(good.spec)
    await keeper.close()
    full, tries = True, 0

    def fsync(fd: int) -> None:
        nonlocal tries
        tries += 1
        if full:
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(keeper_module, "TRY_AGAIN_SECONDS", 0.01)
    more = loaded_from(tmp_path, "two")
    keeper.offer(tmp_path / "f.yaml", more.spec, more)
    keeper.adopted(more.spec)
    await seen(lambda: tries >= 3)
    assert "No space left" in keeper.trouble
    assert len(told) == 1
    assert "one" in on_disk(tmp_path)
    assert not [*tmp_path.glob("*.new")] or full
    full = False
    await seen(lambda: not keeper.trouble)
    assert "two" in on_disk(tmp_path)
    assert len(told) == 2
    await keeper.close()


async def test_a_disk_that_hangs_holds_up_neither_the_loop_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading_end, writing_end = os.pipe()
    monkeypatch.setattr(os, "fsync", lambda _fd: os.read(reading_end, 1))
    monkeypatch.setattr(keeper_module, "PATIENCE_SECONDS", 0.01)
    keeper = Keeper(tmp_path, tell=lambda _: None)
    good = loaded_from(tmp_path, "one")
    keeper.offer(tmp_path / "f.yaml", good.spec, good)
    keeper.adopted(good.spec)
    await keeper.close()
    assert not (tmp_path / FILE_NAME).exists()
    os.close(writing_end)
    await seen(lambda: (tmp_path / FILE_NAME).exists() and keeper._writing is None)
    os.close(reading_end)
