"""Every example in docs/processes.md loads."""

import re
import textwrap
from pathlib import Path

from tests.config.marked import load_text

PAGE = Path(__file__).parents[2] / "docs" / "processes.md"


def test_every_example_loads(tmp_path: Path) -> None:
    examples = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert examples
    for example in examples:
        spec = load_text(tmp_path, _whole(example), environ={"API_TOKEN": "secret"}).spec
        assert spec.elections or spec.processes


def _whole(example: str) -> str:
    """An example that shows a few keys of a process, in a process."""
    if example.startswith(("elections:", "processes:")):
        return example
    return "processes:\n  example:\n    command: [example]\n" + textwrap.indent(example, "    ")
