"""One line of a log, or of what happened, as it is shown."""

from rich.text import Text

from supervisor.cli.events import BAD
from supervisor.cli.live.news import Line
from supervisor.cli.text import safe
from supervisor.control import views
from supervisor.processes.lines import neutralise

_LONGEST = 1000


def log_line(line: Line) -> Text:
    """What a terminal would obey is written out; a mark stands before what came on standard error."""
    said = neutralise(line.text[:_LONGEST]).decode("utf-8", "replace").expandtabs(8)
    mark = ("! ", "yellow") if line.stream == "stderr" else ("  ", "")
    return Text.assemble(mark, safe(said), overflow="fold")


def event_line(found: views.Happening) -> Text:
    """The time of day, UTC, and the sentence."""
    style = "red" if found.kind in BAD else ""
    clock = safe(found.at)[11:19]
    missed = f"({found.missed} came too fast to be shown) " if found.missed else ""
    return Text.assemble((f"{clock} ", "dim"), (missed, "yellow"), (safe(found.text), style), overflow="fold")
