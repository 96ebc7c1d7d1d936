"""The screen of ``supervisor top``.

Promises: what is shown is what was last heard, with its age; when that is old it is said to be, and nothing can be done until the
daemon answers again. What a key does is asked for first, and judged once more when it is confirmed. Does not: wait for the daemon:
whatever takes time runs in a thread of its own.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.message import Message
from textual.widgets import DataTable, Input, Static

from supervisor.cli.ages import later
from supervisor.cli.live import bars, details, rows
from supervisor.cli.live.deeds import Deed, Subject, Told, hindrance
from supervisor.cli.live.keys import KEYS, deed_for, offered
from supervisor.cli.live.lines import event_line, log_line
from supervisor.cli.live.moves import targets
from supervisor.cli.live.news import Connect, Listener
from supervisor.cli.live.panes import Grid, Tail, Title
from supervisor.cli.live.screens import Choice, Page, Question, help_page
from supervisor.cli.render import pictures
from supervisor.cli.sheet import sheet
from supervisor.cli.text import safe
from supervisor.cli.watch import Heard, Scene
from supervisor.control import client, views
from supervisor.control.client import Client
from supervisor.control.words import duration

TOGETHER_SECONDS: Final = 0.1
"""What comes within is shown at once."""
TICK_SECONDS: Final = 1.0
SETTLED_SECONDS: Final = 0.2
"""A cursor that rests so long has chosen a process: its log is asked for."""
WIDE: Final = 110
"""From here on there is room for the log and the events side by side."""
TINY: Final = 16
"""Below that many lines there are the tables only."""
LOW: Final = 30
"""Below that many lines nothing is given away."""


class Arrived(Message):
    """There is news."""


@dataclass
class Call(Message):
    """Something that a thread found out, to be dealt with here."""

    what: Callable[[], None]


class Top(App[None]):
    """The view."""

    CSS_PATH = "top.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "supervisor top"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "end"),
        Binding("question_mark,f1", "help", "help"),
        Binding("slash", "filter", "filter"),
        Binding("escape", "unfilter", show=False),
        Binding("o", "order", "order"),
        Binding("v", "turn", "log or events"),
        Binding("i", "node", "node"),
        Binding("j", "move('down')", show=False),
        Binding("k", "move('up')", show=False),
        *(Binding(key, f"deed('{key}')", show=False) for key in KEYS),
    ]

    def __init__(self, connect: Connect, *, first: views.Status, read_only: bool = False) -> None:
        super().__init__()
        self._connect = connect
        self._scene = Scene(heard=Heard(at=time.monotonic(), status=first))
        self._allowed = views.Allowed(control=False, reason="started with --read-only") if read_only else None
        self._read_only = read_only
        self._listener = Listener(connect, self._wake)
        self._awake = False
        self._wanted = ""
        self._orders = {"elections": 0, "processes": 0}
        self._events_shown = False
        self._followed = ""
        self._head, self._wrong, self._said, self._foot = (
            Static(markup=False, id=name) for name in ("head", "wrong", "said", "foot")
        )
        self._elections, self._processes = Grid(id="elections"), Grid(id="processes")
        self._log_tail, self._events_tail = Tail(id="log"), Tail(id="events")
        self._below = Horizontal(id="below")
        self._log_pane, self._events_pane = Vertical(id="log-pane"), Vertical(id="events-pane")
        self._filter = Input(placeholder="words that a row has: billing backoff", id="filter")
        self._panes = {
            "elections": self._elections, "processes": self._processes, "log": self._log_tail, "events": self._events_tail,
        }  # fmt: skip
        self._titles = {name: Title(id=f"{name}-title") for name in self._panes}

    # --- textual's hooks -------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """The parts, from top to bottom."""
        yield self._head
        yield self._wrong
        yield self._titles["elections"]
        yield self._elections
        yield self._titles["processes"]
        yield self._processes
        with self._below:
            with self._log_pane:
                yield self._titles["log"]
                yield self._log_tail
            with self._events_pane:
                yield self._titles["events"]
                yield self._events_tail
        yield self._filter
        yield self._said
        yield self._foot

    def on_mount(self) -> None:
        """Begin to listen."""
        self._filter.display = False
        self._said.display = False
        (self._elections if self._scene.status.elections else self._processes).focus()
        self._arrange()
        self._listener.start()
        self.set_interval(TICK_SECONDS, self._show)
        self.call_after_refresh(self._show)

    def on_unmount(self) -> None:
        """End what was begun."""
        self._listener.stop()

    def on_resize(self, _event: Resize) -> None:
        """Another size, other columns."""
        self.call_after_refresh(self._show)

    def on_descendant_focus(self) -> None:
        """Which pane the keys move in is shown in its title."""
        self._show()

    def on_arrived(self) -> None:
        """Take what came, a moment later, with what comes until then."""
        self.set_timer(TOGETHER_SECONDS, self._take)

    def on_call(self, call: Call) -> None:
        """What a thread wants done."""
        call.what()

    @on(DataTable.RowHighlighted)
    def highlighted(self) -> None:
        """Another election or process is selected."""
        self.set_timer(SETTLED_SECONDS, self._follow)
        self._show_bars()

    @on(DataTable.RowSelected)
    def selected(self, event: DataTable.RowSelected) -> None:
        """Enter on a row: why it is so."""
        grid = event.data_table
        if isinstance(grid, Grid) and grid.chosen:
            read = details.election if grid.id == "elections" else details.process
            self._read(grid.chosen, partial(read, name=grid.chosen))

    @on(Input.Changed, "#filter")
    def filtering(self, event: Input.Changed) -> None:
        """The filter is being typed."""
        self._wanted = event.value
        self._show()

    @on(Input.Submitted, "#filter")
    def filtered(self) -> None:
        """The filter is as it should be."""
        self._filter.display = bool(self._wanted)
        self._elections.focus()

    # --- keys ------------------------------------------------------------------------------------------------------

    def action_help(self) -> None:
        """Every key."""
        self.push_screen(Page("supervisor top", help_page(self._forbidden())))

    def action_filter(self) -> None:
        """Type one."""
        self._filter.display = True
        self._filter.focus()

    def action_unfilter(self) -> None:
        """Take it away, and the last word said."""
        self._filter.value, self._filter.display = "", False
        self._said.display = False
        if self.focused in (None, self._filter):
            self._elections.focus()

    def action_order(self) -> None:
        """The next one, of the table that the keys move in."""
        which = "processes" if self.focused is self._processes else "elections"
        count = len(rows.PROCESS_ORDERS if which == "processes" else rows.ELECTION_ORDERS)
        self._orders[which] = (self._orders[which] + 1) % count
        self._show()

    def action_turn(self) -> None:
        """The other of log and events."""
        self._events_shown = not self._events_shown
        self._arrange()
        self._show_bars()

    def action_move(self, direction: str) -> None:
        """As the arrow keys."""
        if isinstance(self.focused, Grid):
            self.focused.action_cursor_down() if direction == "down" else self.focused.action_cursor_up()
        elif isinstance(self.focused, Tail):
            self.focused.action_scroll_down() if direction == "down" else self.focused.action_scroll_up()

    def action_node(self) -> None:
        """Everything that the node says of itself."""
        width = max(40, self.size.width - 8)
        console = Console(width=width, force_terminal=True, highlight=False, markup=False, emoji=False)
        facts = replace(sheet(self._now()), tables=())
        self.push_screen(Page("Node", Group(*pictures(facts, console))))

    def action_deed(self, key: str) -> None:
        """Ask whether to do it, or say why it cannot be done."""
        subject = self._subject()
        deed = deed_for(key, subject)
        if deed is None or self._hindered(deed, subject):
            return
        if deed.asks_queue:
            name = subject.e.name
            self._aside(lambda c: self._ask(deed, replace(subject, queue=c.queue(name))), deed.title(subject))
        else:
            self._question(deed, subject)

    # --- deeds -----------------------------------------------------------------------------------------------------

    def _ask(self, deed: Deed, subject: Subject) -> None:
        """From a thread: whatever is to be asked, here."""
        self.post_message(Call(partial(self._target if deed.asks_target else self._question, deed, subject)))

    def _target(self, deed: Deed, subject: Subject) -> None:
        def chosen(target: str | None) -> None:
            if target is not None:
                self._question(deed, replace(subject, target=target))

        self.push_screen(Choice(f"Hand {subject.e.name} over to:", targets(subject)), chosen)

    def _question(self, deed: Deed, subject: Subject) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._do(deed, subject)

        self.push_screen(Question(deed.title(subject), deed.warning(subject)), answered)

    def _do(self, deed: Deed, asked: Subject) -> None:
        """Unless what was asked about is not so any more."""
        subject = _again(asked, self._now())
        if self._hindered(deed, subject):
            return
        title = deed.title(subject)
        self._say(title, Told(text="asked"))

        def perform(connected: Client) -> None:
            for told in deed.perform(connected, subject):
                self.post_message(Call(partial(self._say, title, told)))

        self._aside(perform, title)

    def _hindered(self, deed: Deed, subject: Subject) -> bool:
        """Whether it cannot be done; says why."""
        why = hindrance(deed, subject, allowed=self._allowed, silent=self._scene.trouble())
        if why:
            self._say(deed.name, Told(text=why, good=False))
        return bool(why)

    def _aside(self, what: Callable[[Client], None], about: str) -> None:
        """In a thread, with a connection. What goes wrong is said."""

        def run() -> None:
            try:
                with self._connect() as connected:
                    what(connected)
            except client.ControlError as error:
                self.post_message(Call(partial(self._say, about, Told(text=str(error), good=False))))

        threading.Thread(target=run, name="top-deed", daemon=True).start()

    def _read(self, title: str, read: Callable[[Client], RenderableType]) -> None:
        page = Page(title, Text("asking the supervisor ...", "dim"))
        self.push_screen(page)

        def show(content: RenderableType) -> None:
            if page.is_mounted:
                page.show(content)

        def run() -> None:
            try:
                with self._connect() as connected:
                    content = read(connected)
            except client.ControlError as error:
                content = Text(safe(str(error)), "bold red")
            except ValueError:
                content = Text("it is no more", "bold red")
            self.post_message(Call(partial(show, content)))

        threading.Thread(target=run, name="top-read", daemon=True).start()

    def _subject(self) -> Subject:
        status = self._now()
        election, process = self._elections.chosen, self._processes.chosen
        return Subject(
            status=status,
            election=next((e for e in status.elections if e.name == election), None),
            process=next((p for p in status.processes if p.name == process), None),
        )

    # --- news ------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """From any thread."""
        if not self._awake:
            self._awake = True
            self.post_message(Arrived())

    def _take(self) -> None:
        self._awake = False
        if not self.is_running:
            return
        news = self._listener.take()
        for heard in news.heard:
            self._scene = Scene(heard=heard) if heard.status is not None else replace(self._scene, since=heard)
        if news.allowed is not None and not self._read_only:
            self._allowed = news.allowed
        if news.events:
            self._events_tail.add(map(event_line, news.events))
        if news.dropped_lines:
            self._log_tail.add([Text(f"({news.dropped_lines} lines came too fast to be shown)", "yellow")])
        self._log_tail.add(log_line(line) for line in news.lines if line.process == self._followed)
        if news.heard:
            self._show()

    def _follow(self) -> None:
        """The log of the process that the cursor rests on."""
        chosen = self._processes.chosen_or_last
        if chosen != self._followed:
            self._followed = chosen
            self._log_tail.empty()
            self._listener.follow(chosen)
            self._show_bars()

    # --- showing ---------------------------------------------------------------------------------------------------

    def _now(self) -> views.Status:
        return later(self._scene.status, self._scene.age_seconds)

    def _forbidden(self) -> str:
        return self._allowed.reason if self._allowed is not None and not self._allowed.control else ""

    def _show(self) -> None:
        if not self._is_seen():
            return
        self._arrange()
        status = self._now()
        election_order = rows.ELECTION_ORDERS[self._orders["elections"]]
        process_order = rows.PROCESS_ORDERS[self._orders["processes"]]
        elections = rows.elections(status, election_order, self._wanted)
        processes = rows.processes(status, process_order, self._wanted)
        self._elections.show(elections)
        self._processes.show(processes)
        old = f"as heard {duration(self._scene.age_seconds)} ago" if self._scene.trouble() else ""
        for name, shown, order in (
            ("elections", elections, election_order.name),
            ("processes", processes, process_order.name),
        ):
            count = f"{len(shown.names)} of {shown.of}" if self._wanted else f"{shown.of}"
            focused = self.focused is self._panes[name]
            sorting = f"by {order}" if self._orders[name] else ""
            self._titles[name].say(name.upper(), count, sorting, focused=focused, old=old)
        self._show_bars()

    def _is_seen(self) -> bool:
        """What is under a question need not move; it is shown when that is gone. At the end there is no screen at all."""
        return self.is_running and len(self.screen_stack) == 1

    def _show_bars(self) -> None:
        if not self._is_seen():
            return
        status, trouble = self._now(), self._scene.trouble()
        width = self.size.width
        self._head.update(bars.head(status, trouble, self._scene.age_seconds, width))
        wrong = bars.wrong(status, trouble, width - 2, most=3 if self.size.height >= LOW else 2)
        self._wrong.display = bool(wrong)
        self._wrong.update(wrong)
        both = width >= WIDE
        for name, other in (("log", "events"), ("events", "log")):
            of = f"of {safe(self._followed)}" if name == "log" and self._followed else ""
            focused = self.focused is self._panes[name]
            turn = "" if both else f"v: {other}"
            self._titles[name].say(name.upper(), of, turn, focused=focused)
        subject = self._subject()
        deeds = offered(subject)
        reasons = {deed.key: hindrance(deed, subject, allowed=self._allowed, silent=trouble) for deed in deeds}
        forbidden = self._forbidden() if not trouble else ""
        self._foot.update(bars.foot(deeds, reasons, forbidden, width))

    def _say(self, about: str, told: Told) -> None:
        style = {None: "", True: "green", False: "bold yellow"}[told.good]
        self._said.update(Text.assemble((f"{safe(about)}: ", "bold"), (safe(told.text), style)))
        self._said.display = True

    def _arrange(self) -> None:
        both = self.size.width >= WIDE
        self._below.display = self.size.height >= TINY
        self._log_pane.display = both or not self._events_shown
        self._events_pane.display = both or self._events_shown


def _again(asked: Subject, status: views.Status) -> Subject:
    """The same subject as it is now."""
    election = asked.election and next((e for e in status.elections if e.name == asked.e.name), None)
    process = asked.process and next((p for p in status.processes if p.name == asked.p.name), None)
    return replace(asked, status=status, election=election, process=process)
