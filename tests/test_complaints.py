"""``docs/complaints.md`` names tests and drills: each of them exists, and no complaint is without one."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.drills.faults import PROMISED

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "complaints.md"
ROWS = [line for line in PAGE.read_text().splitlines() if re.match(r"\| \d+\. ", line)]


@cache
def names_of_tests() -> set[str]:
    """Every test function there is, drills excepted."""
    found: set[str] = set()
    for path in HERE.rglob("test_*.py"):
        tree = ast.parse(path.read_text())
        found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return found


def test_every_complaint_is_there() -> None:
    assert [int(row.split(".")[0].strip("| ")) for row in ROWS] == list(range(1, 26))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split(".")[0].strip("| "))
def test_what_a_complaint_names_exists(row: str) -> None:
    shown = row.split("|")[4]
    named = re.findall(r"(drill )?`([^`]+)`", shown)
    drills = [name for drill, name in named if drill]
    tests = [name for drill, name in named if not drill]
    assert drills + tests
    assert set(drills) <= set(PROMISED)
    assert set(tests) <= names_of_tests()
