"""Every ``supervisor`` command of every page is one that this version takes: verb, options and arguments.

Promises: a page that names a verb or an option that is gone fails here, in running text between backticks as in fenced
commands. Does not: run them (``test_tutorial`` does, where a page is a story), or look whether the files they name are there.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from supervisor.cli.main import supervisor

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
FENCES = re.compile(r"^```(?:console|sh|bash)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(supervisor [a-z][^`\n]*)`")
ENDS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>", ")", "do", "then"}


def commands(text: str) -> Iterator[list[str]]:
    """The words after ``supervisor`` of each use of it."""
    for fence in FENCES.findall(text):
        for line in fence.replace("\\\n", " ").splitlines():
            if line.startswith(("$ ", "# ")):
                yield from _uses(line[2:])
    for inline in INLINE.findall(text):
        if not set(inline) & set("[…<{"):
            yield from _uses(inline)


def _uses(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    words = list(lexer)
    starts = [i for i, word in enumerate(words) if word == "supervisor" and (i == 0 or words[i - 1] in _BEFORE)]
    for start in starts:
        rest = words[start + 1 :]
        length = next((i for i, word in enumerate(rest) if word in ENDS), len(rest))
        if length and rest[length - 1].isdigit() and length < len(rest) and rest[length] in {">", "<"}:
            length -= 1  # 2> /dev/null
        yield rest[:length]


_BEFORE = {"|", "||", "&&", ";", "&", "(", "until", "while", "if", "!", "sudo", "exec", "then", "do", "time", "watch"}
CASES = [
    (f"{page.relative_to(ROOT)}: {' '.join(words)}", list(words))
    for page in PAGES
    for words in dict.fromkeys(tuple(words) for words in commands(page.read_text()))
    if words
]


@pytest.mark.parametrize("words", [pytest.param(words, id=where) for where, words in CASES])
def test_a_command_is_one_that_we_take(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def any_path(_self: click.Path, value: Any, *_: Any) -> Any:
        return Path(value)

    monkeypatch.setattr(click.Path, "convert", any_path)
    monkeypatch.setattr(click.File, "convert", any_path)
    with supervisor.make_context("supervisor", list(words)) as group:
        verb, command, rest = supervisor.resolve_command(
            group, [*group._protected_args, *group.args]
        )  # click's only way
        assert command is not None
        assert verb is not None
        try:
            command.make_context(verb, list(rest), parent=group)
        except click.exceptions.Exit:
            pass  # --help
        except click.MissingParameter:
            # In running text a verb stands for itself: `supervisor plan`, `supervisor resign`.
            assert not rest


def test_pages_are_read() -> None:
    assert len(CASES) > 40
    assert {"run", "status", "plan", "reload", "resign", "logs"} <= {words[0] for _, words in CASES}
