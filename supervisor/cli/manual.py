"""The man pages, made of what ``--help`` says: ``python -m supervisor.cli.manual DIRECTORY`` writes them there.

Promises: one page for the command and one for each verb, with every option; the same input gives the same pages, so that they can
be compared. Does not: say anything that ``--help`` does not, and so cannot be wrong where that is right.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from supervisor import __version__
from supervisor.cli.main import EPILOG, supervisor

_NAME = "supervisor"


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    ctx = click.Context(supervisor, info_name=_NAME)
    verbs = {verb: command for verb in supervisor.list_commands(ctx) if (command := supervisor.get_command(ctx, verb))}
    made = {f"{_NAME}.1": "\n".join(_main_page(ctx, verbs)) + "\n"}
    for verb, command in verbs.items():
        made[f"{_NAME}-{verb}.1"] = "\n".join(_verb_page(verb, command, ctx)) + "\n"
    return made


def _main_page(ctx: click.Context, verbs: dict[str, click.Command]) -> Iterator[str]:
    yield from _head(_NAME, supervisor.help or "")
    yield from _synopsis(_NAME, supervisor, ctx)
    yield from _description(supervisor.help or "")
    yield ".SH COMMANDS"
    for verb, command in verbs.items():
        yield from (
            ".TP",
            f"\\fB{_text(verb)}\\fR",
            _text(_first(command.help or "")),
            f"See \\fB{_NAME}\\-{_text(verb)}\\fR(1).",
        )
    yield from _options(supervisor, ctx)
    yield from _exit_status()
    yield from _see_also([f"{_NAME}-{verb}" for verb in verbs])


def _verb_page(verb: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    ctx = click.Context(command, info_name=verb, parent=parent)
    name = f"{_NAME}-{verb}"
    yield from _head(name, command.help or "")
    yield from _synopsis(f"{_NAME} {verb}", command, ctx)
    yield from _description(command.help or "")
    yield from _options(command, ctx)
    yield from _exit_status()
    yield from _see_also([_NAME])


def _head(name: str, text: str) -> Iterator[str]:
    yield '.\\" Made of what --help says by supervisor/cli/manual.py; do not edit.'
    yield f'.TH {name.upper().replace("-", chr(92) + "-")} 1 "" "supervisor {_text(__version__)}" "supervisor"'
    yield from (".SH NAME", f"{_text(name)} \\- {_text(_first(text).rstrip('.'))}")


def _synopsis(usage: str, command: click.Command, ctx: click.Context) -> Iterator[str]:
    pieces = " ".join(_text(piece) for piece in command.collect_usage_pieces(ctx))
    yield from (".SH SYNOPSIS", f"\\fB{_text(usage)}\\fR {pieces}".rstrip())


def _description(text: str) -> Iterator[str]:
    """Paragraphs; one that begins with click's mark is kept line by line."""
    yield ".SH DESCRIPTION"
    for paragraph in re.split(r"\n\s*\n", _dedented(text)):
        lines = paragraph.strip("\n").splitlines()
        yield ".PP"
        if lines and lines[0].strip() == "\b":
            yield from (".nf", *map(_line, lines[1:]), ".fi")
        else:
            yield _line(" ".join(line.strip() for line in lines))


def _options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield ".SH OPTIONS"
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and record[1]:
            yield from (".TP", f"\\fB{_text(record[0])}\\fR", _line(" ".join(record[1].split())))


def _exit_status() -> Iterator[str]:
    yield from (".SH EXIT STATUS", _line(" ".join(EPILOG.split())))


def _see_also(names: list[str]) -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield ",\n".join(f"\\fB{_text(name)}\\fR(1)" for name in names)


def _first(text: str) -> str:
    return " ".join(_dedented(text).strip().split("\n\n", 1)[0].split())


def _dedented(text: str) -> str:
    return "\n".join(line.strip() if line.strip() != "\b" else "\b" for line in text.split("\n"))


def _line(text: str) -> str:
    """A line of text: one that would begin with a control character does not."""
    made = _text(text)
    return f"\\&{made}" if made[:1] in (".", "'") else made


def _text(text: str) -> str:
    """As roff reads it: a backslash, a minus and quotes that are not typographic."""
    escaped = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    )
    return "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in escaped.replace("~", "\\(ti"))


def main() -> int:
    """Write them."""
    if len(sys.argv) != 2:
        print("usage: python -m supervisor.cli.manual DIRECTORY", file=sys.stderr)
        return 64
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, page in pages().items():
        (directory / name).write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
