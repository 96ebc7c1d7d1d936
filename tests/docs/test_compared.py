"""``docs/compared.md``: every key that it names as ours is one that the file knows, and every test that it names is there."""

import re
from pathlib import Path

import pytest
import yaml

from supervisor.config.mistakes import known_keys

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compared.md"
PROCESS = ("processes", "x")
ELECTION = ("elections", "x")
VALUES = {"ready", "completed", "healthy", "on-failure", "never", "notify", "{instance}", "supervisor.service", "bwrap"}
"""Words of the last columns that are no keys: values, files, programs."""


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_there_are_rows_and_all_are_whole() -> None:
    assert len(rows()) > 40
    assert {len(row) for row in rows()} == {6}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_the_keys_are_known(row: list[str]) -> None:
    for text in re.findall(r"`([^`]+)`", row[4]):
        if text.startswith(("supervisor ", "docs/")) or text in VALUES:
            continue
        found = yaml.safe_load(text.replace("[...]", "[x]"))
        keys = found if isinstance(found, dict) else {text: None}
        for key, value in keys.items():
            where = PROCESS if key in known_keys((*PROCESS, "")) else ELECTION
            assert key in known_keys((*where, "")), f"{text}: no key {key}"
            for nested in value if isinstance(value, dict) else ():
                assert nested in known_keys((*where, key, "")), f"{text}: no key {nested} in {key}"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_the_tests_are_there(row: list[str]) -> None:
    assert row[5] == "-" or (ROOT / row[5]).is_file(), row[5]
