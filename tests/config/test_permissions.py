"""Root believes only what nobody else could change: the file, whatever it includes, and the way to both."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.config import permissions
from supervisor.config.load import load
from supervisor.config.problems import ConfigError
from supervisor.core.evolve import replace
from supervisor.core.fitness.places import Changer, changer

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def place() -> Iterator[Path]:
    """Under /tmp, whose sticky bit is a part of the question."""
    made = Path(tempfile.mkdtemp(prefix="permissions-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def file(place: Path) -> Path:
    made = place / "etc" / "f.yaml"
    made.parent.mkdir()
    made.write_text("processes: {p: {command: x}}\n")
    made.parent.chmod(0o755)
    made.chmod(0o644)
    return made


def why(path: Path) -> str:
    found = permissions.problem(path)
    return "" if found is None else "; ".join(found)


@needs_root
def test_roots_own_file_in_a_shared_sticky_directory_is_believed(file: Path) -> None:
    assert why(file) == ""
    file.chmod(0o664)  # the group is root's
    assert why(file) == ""


@needs_root
@pytest.mark.parametrize("mode", [0o646, 0o662, 0o666])
def test_a_file_that_everybody_may_write(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert why(file) == (
        "this file may be written to by everybody: whoever that is could have root run anything; "
        f"run: chmod go-w {file}; or --insecure-permissions accepts it as it is"
    )


@needs_root
def test_a_file_of_another_user_or_of_a_group(file: Path) -> None:
    os.chown(file, NOBODY, 0)
    assert "this file belongs to the user nobody" in why(file)
    assert f"chown root {file}" in why(file)
    os.chown(file, 0, NOBODY)
    assert why(file) == ""
    file.chmod(0o664)
    assert "may be written to by the group" in why(file)


@needs_root
def test_a_directory_on_the_way(file: Path, place: Path) -> None:
    file.parent.chmod(0o777)
    assert why(file).startswith(f"the directory {file.parent} may be written to by everybody")
    file.parent.chmod(0o1777)
    assert why(file) == ""
    os.chown(file.parent, NOBODY, 0)
    assert why(file).startswith(f"the directory {file.parent} belongs to")
    os.chown(file.parent, 0, 0)
    os.chown(place, NOBODY, NOBODY)
    assert why(file).startswith(f"the directory {place} belongs to")


@needs_root
def test_a_symbolic_link_counts_with_what_it_passes_through(file: Path, place: Path) -> None:
    linked, through = place / "link.yaml", place / "through"
    through.symlink_to("etc")
    linked.symlink_to(place / "through" / ".." / "etc" / "f.yaml")
    assert why(linked) == ""
    os.chown(through, NOBODY, NOBODY, follow_symlinks=False)
    assert why(linked).startswith(f"the symbolic link {through} belongs to")
    os.chown(through, 0, 0, follow_symlinks=False)
    file.chmod(0o666)
    assert why(linked).startswith(f"this file {file} may be written to by everybody")
    file.chmod(0o644)
    file.parent.chmod(0o777)
    assert why(linked).startswith(f"the directory {file.parent}")
    through.unlink()
    through.symlink_to("through")
    assert permissions.problem(through / "f.yaml") is None  # whoever reads it says why that cannot be


@needs_root
def test_a_read_only_mount_is_believed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.parent.chmod(0o777)  # as a ConfigMap's directory is

    class Mount:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda _path: Mount)
    assert why(file) == ""


@needs_root
def test_load_refuses_the_file_that_is_at_fault_and_only_for_root(file: Path) -> None:
    more = file.parent / "more.yaml"
    more.write_text("processes: {q: {command: x}}\n")
    file.write_text("include: [more.yaml]\n" + file.read_text())
    more.chmod(0o666)
    with pytest.raises(ConfigError) as refused:
        load(file, environ={}, hostname="h", root_only=True)
    (problem,) = refused.value.problems
    assert (problem.file, problem.line) == (str(more), 1)
    assert "--insecure-permissions" in problem.remedy
    assert load(file, environ={}, hostname="h").spec.processes
    more.chmod(0o644)
    file.parent.chmod(0o777)
    with pytest.raises(ConfigError) as refused:
        load(file, environ={}, hostname="h", root_only=True)
    (problem,) = refused.value.problems  # of the directory, once
    assert "the directory" in problem.message


def test_numbers_stand_for_users_and_groups_that_have_no_name(tmp_path: Path) -> None:
    nameless = 4_000_000_000
    fields = dict.fromkeys(range(10), 0) | {0: stat.S_IFREG | 0o664, 4: nameless, 5: nameless}
    (step,) = permissions._step(tmp_path, os.stat_result(fields.values()), last=True)
    assert (step.owner, step.group) == ("", "")
    assert changer(step, 0) == Changer(why=f"belongs to the user {nameless}", remedy="chown root")
    found = changer(replace(step, uid=0), 0)
    assert found == Changer(why=f"may be written to by the group {nameless}", remedy="chmod g-w")
