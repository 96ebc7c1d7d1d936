"""The lines above and below: whose node this is and how it is; what is wrong; what can be done.

Promises: pure; no wider than told. Does not: know widgets.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from supervisor.cli.live.deeds import Deed
from supervisor.cli.render import STYLES, sign
from supervisor.cli.sheet import Cell, Tone, condition, remarks
from supervisor.cli.text import safe
from supervisor.control import views
from supervisor.control.words import duration

LOOKING: Final = (
    ("⏎", "why"),
    ("i", "node"),
    ("/", "filter"),
    ("o", "order"),
    ("Tab", "pane"),
    ("?", "help"),
    ("q", "end"),
)


def head(status: views.Status, trouble: str, age_seconds: float, width: int) -> Text:
    """One line: node, condition, what is loud, what there is, and how old that is."""
    text = Text(no_wrap=True, overflow="ellipsis")
    node = Text(f" {safe(status.daemon.node)} ", "bold reverse")
    node.truncate(max(8, width // 3), overflow="ellipsis")
    text.append_text(node).append(" ")
    word = Cell("unknown", Tone.BAD) if trouble else condition(status)
    text.append(sign(word).text, STYLES[word.tone])
    for loud in louds(status):
        text.append(" ").append(f" {loud} ", "bold reverse yellow")
    led = sum(e.role == "leader" for e in status.elections)
    facts = [
        f"leads {led} of {len(status.elections)}" if status.elections else "",
        _etcd(status.store),
        f"up {duration(status.daemon.uptime_seconds)}",
    ]
    if status.daemon.stopping:
        facts.insert(0, f"ending: {safe(status.daemon.stopping)}")
    age = f"last heard {duration(age_seconds)} ago" if trouble else "live"
    for fact in filter(None, facts):
        if cell_len(text.plain) + 3 + cell_len(fact) + 3 + len(age) > width:
            break
        text.append(" · ", "dim").append(fact)
    text.append(" " * max(1, width - cell_len(text.plain) - len(age) - 1))
    return text.append(age, "bold red" if trouble else "green")


def louds(status: views.Status) -> list[str]:
    """What somebody wished, and should not forget."""
    subjects = [reason.text.split(maxsplit=1)[0] for reason in status.reasons if reason.subject in ("fleet", "node")]
    return [word for word in dict.fromkeys(subjects) if word in ("PAUSED", "DRAINED")]


def _etcd(store: views.Store) -> str:
    if not store.used:
        return ""
    return {"yes": "etcd reachable", "no": "etcd UNREACHABLE"}.get(store.reachable, "etcd unknown")


def wrong(status: views.Status, trouble: str, width: int, *, most: int) -> Text:
    """What is wrong, the worst first, a line each; empty when nothing is."""
    text = Text(overflow="fold")
    if trouble:
        return text.append(f"✖ {safe(trouble)}", "bold red")
    found = [(subject, cell) for subject, cell in remarks(status) if subject and cell.tone in (Tone.BAD, Tone.WARN)]
    found.sort(key=lambda pair: pair[1].tone is not Tone.BAD)
    lines = [
        Text.assemble((f"{sign(Cell('', cell.tone)).text}{subject}: {cell.text}", STYLES[cell.tone]))
        for subject, cell in found
    ]
    if len(lines) > most:
        more = Text(f"  {len(lines) - most + 1} more (i)", "dim")
        lines = [*lines[: most - 1], more]
    for n, line in enumerate(lines):
        line.truncate(width, overflow="ellipsis")
        text.append("\n" if n else "").append_text(line)
    return text


def foot(deeds: Sequence[Deed], reasons: Mapping[str, str], forbidden: str, width: int) -> Text:
    """Two lines: what can be done to what is selected, dim where it cannot; and how to look around."""
    text = Text(no_wrap=True, overflow="ellipsis")
    if forbidden:
        text.append(f" look only: {safe(forbidden)}", "yellow")
    else:
        length = sum(cell_len(f" {deed.key} {deed.name} ") for deed in deeds)
        gap = " " if length <= width else ""
        for deed in deeds:
            can = not reasons[deed.key]
            text.append(f" {deed.key}", "bold cyan" if can else "dim").append(
                f" {deed.name}{gap}", "" if can else "dim"
            )
    text.truncate(width, overflow="ellipsis")
    text.append("\n")
    for key, meaning in LOOKING:
        text.append(f" {key}", "bold cyan").append(f" {meaning} ")
    return text
