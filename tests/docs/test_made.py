"""The pages made from the code: what keeps them whole, and that the site and CONTRIBUTING.md name what is there."""

import re
from pathlib import Path

import pytest

from docs.generate import PAGES
from docs.made.reading import StaleError, agree, members, table

ROOT = Path(__file__).parents[2]


def test_a_name_in_one_and_not_in_the_other_ends_it() -> None:
    agree("names", told={"a", "b"}, there=["b", "a"])
    with pytest.raises(StaleError, match=r"not told of \['c'\]; told of, and not there \['a'\]"):
        agree("names", told={"a"}, there={"c"})


def test_members_and_their_words(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_text(
        '"""Module."""\nA = 1\n"""Of ``A``,\n\ntold."""\nB = 2\nclass C:\n    """C."""\n    X: int = 3\n    """X."""\n'
    )
    assert members(file) == {"A": "Of `A`, told.", "B": ""}
    assert members(file, "C") == {"X": "X."}


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert list(table(("a",), [("x|y",)])) == ["| a |", "|---|", "| x\\|y |", ""]


@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_in_the_site(name: str) -> None:
    assert f"- reference/{name}.md\n" in (ROOT / "mkdocs.yml").read_text()


def test_what_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = {found for found in re.findall(r"`([\w*/]+/[\w*]+\.(?:py|proto))[`:]", text) if "VERB" not in found}
    assert len(named) > 15
    for path in named:
        assert list(ROOT.glob(path)) or list((ROOT / "supervisor").glob(path)), path
    for target in set(re.findall(r"`make ([a-z-]+)", text)):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target
