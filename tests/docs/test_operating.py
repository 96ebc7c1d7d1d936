"""docs/operating.md tells of every kind of event, and its examples are files that load."""

import re
from pathlib import Path

import pytest

from supervisor.config.load import load
from supervisor.core.kinds import Kind

TEXT = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=[text.split(":")[0] for text in EXAMPLES])
def test_an_example_loads(example: str, tmp_path: Path) -> None:
    file = tmp_path / "supervisor.yaml"
    file.write_text(example + "\nprocesses: {one: {command: /bin/true}}\nelections: {billing: {}}\n")
    spec = load(file, environ={"PAGER_TOKEN": "x"}, node=None, hostname="web-1").spec
    assert spec.metrics or spec.notify


def test_every_kind_of_event_is_told_of() -> None:
    assert {kind.value for kind in Kind} <= set(re.findall(r"`([a-z-]+)`", TEXT))
