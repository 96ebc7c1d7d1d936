"""What was seen on a terminal, with its times: as an asciinema cast, as text, and as a picture that moves.

For output that only ever goes on: letters, colours (SGR), new lines. The picture is one SVG with CSS and no script, so that it moves
where it is shown as an image.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS: Final = 110
LINES: Final = 30
MOST_PAUSE_SECONDS: Final = 2.0
"""A longer wait is shown as one of this length."""
END_SECONDS: Final = 6.0
"""The picture rests so long before it begins again."""
_CELL, _LINE, _SIZE, _EDGE = 7.8, 17, 13, 12


@dataclass(frozen=True, slots=True)
class Event:
    """Some output, and when."""

    at: float
    text: str


class Cast:
    """A recording."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events: tuple[Event, ...] = tuple(events)

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.events[-1].at if self.events else 0.0

    def add(self, text: str, *, pause_seconds: float) -> None:
        """More of it, after a pause."""
        at = self.seconds + min(MOST_PAUSE_SECONDS, pause_seconds)
        self.events = (*self.events, Event(round(at, 3), text))

    def asciinema(self) -> str:
        """Version 2 of the format of asciinema: play it with `asciinema play`."""
        head = {"version": 2, "width": COLUMNS, "height": LINES, "title": "supervisor: a fleet of three nodes"}
        return "".join(json.dumps(line) + "\n" for line in (head, *([e.at, "o", e.text] for e in self.events)))

    def transcript(self) -> str:
        """What stands on the terminal in the end, without colours."""
        return "".join(line.text.plain.rstrip() + "\n" for line in self._lines(folded=False)).strip("\n") + "\n"

    # --- as a picture ----------------------------------------------------------------------------------------------

    def svg(self) -> str:
        """As an image."""
        lines = list(self._lines(folded=True))
        total = self.seconds + END_SECONDS
        instants = sorted({line.at for line in lines})
        names = {at: f"t{n}" for n, at in enumerate(instants)}
        width, height = COLUMNS * _CELL + 2 * _EDGE, LINES * _LINE + 2 * _EDGE
        style = [
            f"text{{font:{_SIZE}px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre;fill:#d9d9d9}}",
            *(_appears(names[at], at, total) for at in instants),
            _scrolls(lines, total),
        ]
        body = [
            f'<text class="{names[line.at]}" y="{(n + 1) * _LINE - 4}">{"".join(_spans(line.text))}</text>'
            for n, line in enumerate(lines)
            if line.text.plain.strip()
        ]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}">\n'
            f"<style>{''.join(style)}</style>\n"
            f'<rect width="100%" height="100%" rx="8" fill="#161616"/>\n'
            f'<svg x="{_EDGE}" y="{_EDGE}" width="{COLUMNS * _CELL:.0f}" height="{LINES * _LINE}"><g class="all">\n'
            + "\n".join(body)
            + "\n</g></svg>\n</svg>\n"
        )

    def _lines(self, *, folded: bool) -> Iterator["_Line"]:
        """Each line as it is when it is whole, and when that was; a typed one when it has been typed."""
        said, at = "", 0.0
        for event in self.events:
            said, at = said + event.text.replace("\r\n", "\n"), event.at
            *whole, said = said.split("\n")
            for line in whole:
                text = Text.from_ansi(line)
                text.rstrip()
                pieces = text.divide(range(COLUMNS, len(text.plain), COLUMNS)) if folded else [text]
                yield from (_Line(at, piece) for piece in pieces)
        if said:
            yield _Line(at, Text.from_ansi(said))


@dataclass(frozen=True, slots=True)
class _Line:
    at: float
    text: Text


def _appears(name: str, at: float, total: float) -> str:
    share = 100 * at / total
    frames = f"0%,{share:.3f}%{{opacity:0}}{share + 0.01:.3f}%,100%{{opacity:1}}"
    return f"@keyframes {name}{{{frames}}}.{name}{{animation:{name} {total:.1f}s linear infinite}}"


def _scrolls(lines: list[_Line], total: float) -> str:
    """Up, as lines come that do not fit any more."""
    frames, up = ["0%{transform:translateY(0)}"], 0
    for n, line in enumerate(lines):
        if n >= LINES and (n + 1 == len(lines) or lines[n + 1].at > line.at):
            share = 100 * line.at / total
            frames.append(f"{share:.3f}%{{transform:translateY({-up * _LINE}px)}}")
            up = n + 1 - LINES
            frames.append(f"{share + 0.01:.3f}%{{transform:translateY({-up * _LINE}px)}}")
    frames.append(f"100%{{transform:translateY({-up * _LINE}px)}}")
    return f"@keyframes all{{{''.join(frames)}}}.all{{animation:all {total:.1f}s linear infinite}}"


def _spans(text: Text) -> Iterator[str]:
    """The pieces of one style each, placed by column, whatever the font makes of a character."""
    column = 0
    for piece in text.divide(sorted({edge for span in text.spans for edge in (span.start, span.end)})):
        style = sum((Style.parse(str(span.style)) for span in piece.spans), Style())
        if piece.plain.strip():
            yield f'<tspan x="{column * _CELL:.1f}"{_look(style)}>{escape(piece.plain)}</tspan>'
        column += piece.cell_len


def _look(style: Style) -> str:
    look = ""
    if style.color is not None and not style.color.is_default:
        look += f' fill="{style.color.get_truecolor(MONOKAI).hex}"'
    if style.bold:
        look += ' font-weight="bold"'
    if style.dim:
        look += ' opacity=".6"'
    return look
