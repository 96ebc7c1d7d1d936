"""Every example in docs/processes.md loads."""

import re
from pathlib import Path

from tests.config.marked import load_text

PAGE = Path(__file__).parents[2] / "docs" / "processes.md"


def test_every_example_loads(tmp_path: Path) -> None:
    examples = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert examples
    for example in examples:
        spec = load_text(tmp_path, example).spec
        assert spec.elections or spec.processes
