"""What was in force is loaded again as it was then: every file, every relative path, and no variable's value on the disk."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.config.apart import Reading
from supervisor.config.lastgood import load_last_good
from supervisor.config.load import load
from supervisor.config.loaded import LastGood, Loaded
from supervisor.config.problems import ConfigError

AT = "2026-11-24T15:00:00+00:00"


def written(directory: Path) -> Path:
    """A file that includes two directories' files, with relative paths and a secret."""
    (directory / "conf.d" / "deep").mkdir(parents=True)
    file = directory / "f.yaml"
    file.write_text(
        "\ufeff# ä\r\ninclude: ['${DIR:-conf.d}/*.yaml', conf.d/deep/one.yaml]\r\n"
        "processes: {p: {command: x, directory: srv, environment: {TOKEN: '${TOKEN}'}}}\n"
        "nodes: {web-1: {processes: {p: {directory: other}}}}\n"
    )
    (directory / "conf.d" / "a.yaml").write_text("processes: {a: {command: ./run, directory: here}}\n")
    (directory / "conf.d" / "b.yaml").write_text("include: [deep/*.yaml]\nprocesses: {b: {command: x}}\n")
    (directory / "conf.d" / "deep" / "one.yaml").write_text("processes: {one: {command: x, directory: ..}}\n")
    return file


def kept(loaded: Loaded, file: Path, state_dir: Path) -> Path:
    place = state_dir / "last-good.json"
    place.write_bytes(LastGood(path=file, hash=loaded.hash, adopted_at=AT, kept=loaded.kept).packed())
    return place


def test_the_same_comes_of_it_when_every_file_is_gone(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = written(tmp_path / "etc")
    (tmp_path / "etc" / "conf.d" / "a.yaml").write_text("processes: {a: {command: x, directory: here}}\n")
    first = load(file, environ={"TOKEN": "s3cret"}, hostname="web-1")
    place = kept(first, file, tmp_path)
    assert b"s3cret" not in place.read_bytes()
    shutil.rmtree(tmp_path / "etc")
    again = load_last_good(place, file, environ={"TOKEN": "s3cret"}, node=None, hostname="web-1", root_only=False)
    assert again == replace(first, adopted_at=AT)
    assert {*again.spec.processes} == {"p", "a", "b", "one"}
    apart = Reading(file, node="web-1", hostname="h", last_good=place)
    with pytest.raises(ConfigError, match="the variable TOKEN is not set"):
        apart.result()


def test_for_another_node_and_other_variables_it_is_what_the_text_says_now(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("processes: {p: {command: '${X}'}}\nnodes: {web-1: {processes: {q: {command: y}}}}\n")
    place = kept(load(file, environ={"X": "a"}, hostname="h"), file, tmp_path)
    again = load_last_good(place, file, environ={"X": "b"}, node="web-1", hostname="h", root_only=False)
    assert [process.command for process in again.spec.processes.values()] == [("b",), ("y",)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "No such file"),
        (b"", "damaged"),
        (b"[]", "damaged"),
        (b'{"v": 1}', "damaged"),
        (b'{"v": 2}', "version 2"),
        (b'{"v": 1, "path": "/f", "hash": "", "adopted_at": "", "files": {"/f": 1}}', "damaged"),
        (b'{"v": 1, "path": "/other", "hash": "", "adopted_at": "", "files": {}}', "is one of /other"),
        (b'{"v": 1, "path": "/f", "hash": "", "adopted_at": "", "files": {}}', "was not kept"),
        (b"[" * 100_000, "damaged"),
    ],
)
def test_what_cannot_be_used_is_one_problem(tmp_path: Path, data: bytes | None, why: str) -> None:
    place = tmp_path / "last-good.json"
    if data is not None:
        place.write_bytes(data)
    with pytest.raises(ConfigError) as refused:
        load_last_good(place, Path("/f"), environ={}, node=None, hostname="h", root_only=False)
    (problem,) = refused.value.problems
    assert why in problem.message
    assert problem.remedy
