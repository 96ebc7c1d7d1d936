"""The how-to pages and examples/: every file in them loads, shows nothing that the repository does not have, and no warning is left unsaid.

Promises: a block with a title is a whole file; one whose title begins with ``examples/`` is that file, to the letter; every file that an
example's README names is there, and every script is one that a shell can read. Does not: run them (``tests/programs`` does, for some).
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from supervisor.config.load import load

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGES = sorted((ROOT / "docs" / "howto").glob("*.md"))
BLOCK = re.compile(r'^```(\w+) title="([^"]+)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)
BLOCKS = [
    pytest.param(kind, title, body, id=f"{page.stem}: {title}")
    for page in PAGES
    for kind, title, body in BLOCK.findall(page.read_text())
]
FILES = sorted(EXAMPLES.rglob("*.yaml"))
SCRIPTS = sorted(p for p in EXAMPLES.rglob("*") if p.is_file() and os.access(p, os.X_OK))
READMES = sorted(EXAMPLES.rglob("README.md"))
ENVIRONMENT = {"CREDENTIALS_DIRECTORY": "/run/credentials/supervisor.service"}


def loads(path: Path) -> None:
    """Whether another machine, which has what the file names, would take it."""
    loaded = load(path, environ=ENVIRONMENT, node=None, hostname="node-1", here=False)
    assert loaded.spec.elections or loaded.spec.processes


def test_there_are_some() -> None:
    assert len(PAGES) == 8
    assert len(FILES) == 5
    assert len(SCRIPTS) >= 4


@pytest.mark.parametrize(("kind", "title", "body"), BLOCKS)
def test_a_file_in_a_page_is_whole(tmp_path: Path, kind: str, title: str, body: str) -> None:
    if title.startswith("examples/"):
        assert body == (ROOT / title).read_text()
    if kind == "yaml":
        path = tmp_path / "supervisor.yaml"
        path.write_text(body)
        loads(path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_yaml_block_without_a_title_is_none(page: Path) -> None:
    assert "```yaml\n" not in page.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_an_example_loads(path: Path) -> None:
    loads(path)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_a_script_is_one(path: Path) -> None:
    assert subprocess.run(["sh", "-n", path], check=False, timeout=10).returncode == 0


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_what_a_readme_names_is_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
