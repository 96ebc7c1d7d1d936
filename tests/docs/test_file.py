"""The examples of docs/file.md and of decision 23 are what they say they are."""

import re
from pathlib import Path

from supervisor.core.names import ElectionName, ProcessName
from supervisor.core.spec import Spec
from tests.config.marked import load_text

DOCS = Path(__file__).parents[2] / "docs"


def test_the_fleet_of_the_page(tmp_path: Path) -> None:
    _, text = re.findall(r"^```yaml\n(.*?)^```", (DOCS / "file.md").read_text(), re.DOTALL | re.MULTILINE)

    def spec(node: str) -> Spec:
        return load_text(tmp_path, text, hostname=node).spec

    assert {*spec("web-1").elections} == {"billing", "reports"}
    assert spec("web-2").elections[ElectionName("billing")].ttl_seconds == 20
    assert {*spec("web-3").elections} == {"billing"}
    for node in ("db-1", "db-2"):
        assert not spec(node).elections
        assert ProcessName("backup") in spec(node).processes


def test_the_fleet_of_the_decision(tmp_path: Path) -> None:
    text = (DOCS / "decisions" / "0023-overlays.md").read_text().split("```yaml\n")[1].split("```")[0]
    text += "processes: {p: {command: x}}\n"
    for node, elections in (("web-1", {"billing"}), ("web-2", {"billing"}), ("web-3", set[str]())):
        assert {*load_text(tmp_path, text, hostname=node).spec.elections} == elections
