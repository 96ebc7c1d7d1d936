"""Reading in a process of its own: the same answer as ``load``, and nothing that a file does to the reader hurts us."""

import io
import os
import pickle
import signal
from pathlib import Path

import pytest

from supervisor import __version__
from supervisor.config import apart
from supervisor.config.apart import Reading
from supervisor.config.load import listed_nodes, load
from supervisor.config.problems import ConfigError

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_the_same_spec(path: Path) -> None:
    node = next(iter(listed_nodes(path, environ=os.environ, hostname="h").names), "n")
    assert Reading(path, node=node, hostname="h").result() == load(path, environ=os.environ, node=node, hostname="h")


def test_the_environment_is_ours_and_an_empty_name_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/srv/there")
    file = tmp_path / "f.yaml"
    file.write_text("processes: {p: {command: x, directory: '${WHERE}'}}\n")
    spec = Reading(file, node=None, hostname="h").result().spec
    assert [process.directory for process in spec.processes.values()] == ["/srv/there"]
    assert spec.node == "h"
    with pytest.raises(ConfigError, match="the node given"):
        Reading(file, node="", hostname="h").result()
    with pytest.raises(ConfigError, match="node cannot change while running: it is other"):
        Reading(file, node=None, hostname="h", running_as="other").result()


def test_the_same_problems_and_the_files_to_watch(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("include: [sub.yaml]\nelection: {}\n")
    (tmp_path / "sub.yaml").write_text("processes: [\n")
    with pytest.raises(ConfigError) as here:
        load(file, environ=os.environ, hostname="h")
    with pytest.raises(ConfigError) as there:
        Reading(file, node=None, hostname="h").result()
    assert there.value.problems == here.value.problems
    assert there.value.files == here.value.files == (file, tmp_path / "sub.yaml")


def test_a_reader_that_dies_or_hangs_is_a_problem_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("processes: {p: {command: x}}\n")
    reading = Reading(file, node=None, hostname="h")
    reading.abandon()
    with pytest.raises(ConfigError, match=r"f\.yaml:1:1: the process that reads it was killed by SIGKILL"):
        reading.result()
    reading = Reading(file, node=None, hostname="h")
    assert reading._process is not None
    reading._process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(apart, "TIMEOUT_SECONDS", 0.05)
    with pytest.raises(ConfigError, match=r"reading it took longer than 0\.05 s"):
        reading.result()
    assert reading._process.returncode == -signal.SIGKILL


def test_no_process_to_read_it_is_a_problem_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    with pytest.raises(ConfigError, match="no process can be started to read it: No such file"):
        Reading(tmp_path / "f.yaml", node=None, hostname="h").result()


def test_only_our_own_data_is_unpacked() -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"posix\.system is no part of a Spec"):
        apart._unpack(apart._made_by().encode() + b"\n" + pickle.dumps(os.system))


def test_a_reader_of_another_version_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody upgraded the package under a daemon that runs: pickle would put one version's values into the other's fields."""
    file = tmp_path / "f.yaml"
    file.write_text("processes: {p: {command: /bin/true}}\n")
    reading = Reading(file, node=None, hostname="h")
    monkeypatch.setattr(apart, "__version__", "0.0.7")
    apart._made_by.cache_clear()
    try:
        with pytest.raises(ConfigError) as refused:
            reading.result()
    finally:
        monkeypatch.undo()
        apart._made_by.cache_clear()
    (problem,) = refused.value.problems
    assert f"(it is {__version__}, and this daemon 0.0.7)" in problem.message
    assert "restart" in problem.remedy


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_everything_that_travels_is_in_the_first_line(path: Path) -> None:
    """A field more in any class that travels makes another version of it."""
    met: set[str] = set()

    class Watching(apart._Unpickler):
        def find_class(self, module: str, name: str) -> object:
            met.add(name)
            return super().find_class(module, name)

    node = next(iter(listed_nodes(path, environ=os.environ, hostname="h").names), "n")
    packed = apart.pack(load(path, environ=os.environ, node=node, hostname="h"))
    Watching(io.BytesIO(packed.partition(b"\n")[2])).load()
    assert "Spec" in met
    assert not {name for name in met - {"PosixPath"} if f"{name}(" not in apart._made_by()}
