"""The file of tokens: found again, whatever ended the daemon, and never in the loop's way."""

import asyncio
import os
from pathlib import Path

import pytest

from supervisor.core import actions as ac
from supervisor.core.events import Event
from supervisor.core.names import ElectionName, SeenToken, Token
from supervisor.core.store_events import TokenRemembered
from supervisor.daemon.tokens import FILE_NAME, TokenFile


def note(name: str, token: int, *, term: bool = True) -> ac.Remember:
    seen = SeenToken(token=Token(token), cluster="c")
    return ac.Remember(place=f"/s/{name}", seen=seen, election=ElectionName(name) if term else None, token=Token(token))


async def written(directory: Path, *notes: ac.Remember) -> list[Event]:
    events: list[Event] = []
    file = TokenFile(directory, events.append)
    for one in notes:
        file.perform(one)
    await file.close()
    return events


def read(directory: Path) -> dict[str, int]:
    return {place: seen.token for place, seen in TokenFile(directory, lambda _: None).read().items()}


async def test_the_highest_of_each_election_is_found_again(tmp_path: Path) -> None:
    assert read(tmp_path) == {}
    events = await written(tmp_path, note("a", 5), note("b", 6), note("a", 7), note("c", 8, term=False))
    assert [(e.election, e.token, e.problem) for e in events if isinstance(e, TokenRemembered)] == [
        ("a", 5, ""),
        ("b", 6, ""),
        ("a", 7, ""),
    ]
    assert read(tmp_path) == {"/s/a": 7, "/s/b": 6, "/s/c": 8}
    assert len((tmp_path / FILE_NAME).read_text().splitlines()) == 3  # written anew
    await written(tmp_path, note("a", 9))
    assert read(tmp_path) == {"/s/a": 9, "/s/b": 6, "/s/c": 8}


async def test_half_a_line_and_strangers_lines_are_passed_over(tmp_path: Path) -> None:
    await written(tmp_path, note("a", 5))
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'[]\nnonsense\n\xff\n{"election": "/s/a", "token": 9')
    assert read(tmp_path) == {"/s/a": 5}


async def test_a_disk_that_refuses_is_an_answer_too(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    (event,) = await written(tmp_path, note("a", 5))
    assert isinstance(event, TokenRemembered)
    assert "Is a directory" in event.problem


async def test_a_disk_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.daemon.tokens.PATIENCE_SECONDS", 0.05)
    os.mkfifo(tmp_path / FILE_NAME)  # opening it for writing waits for a reader
    (event,) = await written(tmp_path, note("a", 5))
    assert isinstance(event, TokenRemembered)
    assert "did not take it" in event.problem
    fd = os.open(tmp_path / FILE_NAME, os.O_RDONLY | os.O_NONBLOCK)  # lets the thread end
    await asyncio.to_thread(os.close, fd)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(IsADirectoryError):
        read(tmp_path)
