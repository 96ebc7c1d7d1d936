"""docs/reference/events.md: every kind of event, in the words of the enum, with the facts that docs/operating.md lists."""

import re

from docs.made.reading import MADE, PACKAGE, ROOT, agree, members, table
from supervisor.core.kinds import Kind

HEAD = """\
# Events

What `supervisor events` shows, what `notify` tells of (`events: [KIND, ...]`) and what `supervisor_events_total` counts. Kinds and facts may be
added; none is renamed. [operating](../operating.md#events) has an example, and what a slow reader misses.

"""
FIELDS = """\
## The object

`supervisor events --json` prints one a line; a webhook gets the same by POST, but for `number` and `missed`.

| field | holds |
|---|---|
| `schema_version` | 1 |
| `number` | rises by one with each event of a daemon |
| `at` | when, UTC, by this node's wall clock |
| `node` | whose daemon tells |
| `kind` | as above |
| `election`, `process` | whose it is; empty: neither's |
| `token` | the fencing token of this node's term, or `null` |
| `text` | the same for people |
| `facts` | what else belongs to the kind, as above |
| `missed` | how many this reader has missed before it |
"""


def page() -> str:
    """The page."""
    told = members(PACKAGE / "core" / "kinds.py", "Kind")
    agree("kinds with a docstring", told=(name for name, text in told.items() if text), there=Kind.__members__)
    facts = _facts()
    agree("kinds in docs/operating.md", told=facts, there=(kind.value for kind in Kind))
    rows = [(f"`{kind.value}`", told[kind.name], facts[kind.value]) for kind in Kind]
    lines = table(("kind", "what happened", "facts"), rows)
    return (
        MADE.format(source="supervisor/core/kinds.py and docs/operating.md") + HEAD + "\n".join(lines) + "\n" + FIELDS
    )


def _facts() -> dict[str, str]:
    """By kind, what the table of docs/operating.md says."""
    text = (ROOT / "docs" / "operating.md").read_text()
    section = text.partition("| kind | facts |\n")[2].partition("\n\n")[0]
    found = {}
    for line in section.splitlines()[1:]:
        kinds, facts = (cell.strip() for cell in line.strip("|").split("|", 1))
        for kind in re.findall(r"`([a-z-]+)`", kinds):
            found[kind] = facts.strip(" |")
    return found
