"""The examples of docs/processes.md load as they stand."""

import re
from pathlib import Path

import pytest

from tests.config.marked import load_text

PAGE = Path(__file__).parents[2] / "docs" / "processes.md"
SECTION = PAGE.read_text().partition("## Ready and health")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
INLINE = re.findall(r"`((?:exec|http|tcp|grpc|notify|log|watchdog): [^`]+)`", SECTION)


def test_there_are_some() -> None:
    assert len(BLOCKS) == 1
    assert len(INLINE) >= 9


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_loads(tmp_path: Path, block: str) -> None:
    assert load_text(tmp_path, block, environ={"API_TOKEN": "x"}).spec.processes


@pytest.mark.parametrize("probe", INLINE)
def test_a_probe_in_the_text_loads(tmp_path: Path, probe: str) -> None:
    (tmp_path / "ca.pem").touch()
    purpose = "health" if probe.startswith("watchdog") else "ready"
    spec = load_text(tmp_path, f"processes:\n  p:\n    command: x\n    {purpose}:\n      {probe}\n").spec
    assert getattr(next(iter(spec.processes.values())), purpose) is not None
