"""The man pages: one for each verb, with every option, and good roff."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from supervisor.cli import manual
from supervisor.cli.main import supervisor

PAGES = manual.pages()


def test_one_for_each_verb() -> None:
    verbs = supervisor.list_commands(click.Context(supervisor))
    assert set(PAGES) == {"supervisor.1", *(f"supervisor-{verb}.1" for verb in verbs)}


@pytest.mark.parametrize("name", PAGES)
def test_every_option_is_in_it(name: str) -> None:
    verb = name.removesuffix(".1").removeprefix("supervisor").removeprefix("-")
    ctx = click.Context(supervisor, info_name="supervisor")
    command = supervisor.get_command(ctx, verb) if verb else supervisor
    assert command is not None
    page = PAGES[name].replace("\\-", "-")
    for param in command.params:
        for option in (o for o in param.opts if o.startswith("--")):
            assert option in page
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"):
        assert f".SH {section}\n" in PAGES[name]


@pytest.mark.parametrize("name", PAGES)
def test_good_roff(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(PAGES[name])
    assert PAGES[name].isascii()
    requests = {line.split()[0] for line in PAGES[name].splitlines() if line.startswith(".")}
    assert requests <= {'.\\"', ".TH", ".SH", ".PP", ".TP", ".nf", ".fi"}
    if (groff := shutil.which("groff")) is not None:
        argv = [groff, "-man", "-ww", "-z", "-Tutf8", str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        shown = subprocess.run([groff, "-man", "-Tascii", str(path)], capture_output=True, text=True, check=True).stdout
        assert "EXIT STATUS" in re.sub(r".\x08|\x1b\[[0-9]+m", "", shown)  # bold by overstriking, or by escapes


def test_the_directory_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["manual", str(tmp_path / "man")])
    assert manual.main() == 0
    assert {path.name for path in (tmp_path / "man").iterdir()} == set(PAGES)
