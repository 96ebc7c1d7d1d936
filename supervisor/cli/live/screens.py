"""What comes over the view: questions, a choice, the help, details.

Promises: nothing is done but by ``y`` (or a click on it); Escape always leaves. Every text is a ``Text``, never markup.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from supervisor.cli.live.keys import DEEDS
from supervisor.cli.text import safe, safe_lines

LOOKING: Final = (
    ("↑ ↓ j k", "move; PgUp, PgDn, Home, End too"),
    ("Tab", "next pane: elections, processes, log, events"),
    ("Enter", "why the selected election or process is as it is"),
    ("i", "the node: daemon, file, etcd, leases; all that is wrong"),
    ("/", "filter both tables by words; Escape takes it away"),
    ("o", "another order of the table you are in"),
    ("v", "log or events below, where there is no room for both"),
    ("? q", "this help; end (nothing is stopped by that)"),
)


class Question(ModalScreen[bool]):
    """What will happen, and whether it shall."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, title: str, warning: str) -> None:
        super().__init__()
        self._title, self._warning = safe(title), safe_lines(warning)

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical(classes="box"):
            yield Static(Text(f"{self._title[:1].upper()}{self._title[1:]}?", "bold"), markup=False)
            with VerticalScroll(classes="body", can_focus=False):
                yield Static(Text(self._warning), markup=False, id="warning")
            yield Static(_answers(("y", "do it"), ("n, Esc", "leave it")), markup=False, classes="answers")

    def action_answer(self, answer: bool) -> None:
        """Textual's hook: a key."""
        self.dismiss(answer)


class Choice(ModalScreen[str | None]):
    """One of several; empty: any of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "leave"),
        Binding("j", "move('down')", show=False),
        Binding("k", "move('up')", show=False),
    ]

    def __init__(self, title: str, options: Sequence[tuple[str, str, str]]) -> None:
        """``options``: what is given back, what is shown, why it cannot be chosen (empty: it can)."""
        super().__init__()
        self._title, self._options = safe(title), options

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical(classes="box"):
            yield Static(Text(self._title, "bold"), markup=False)
            yield OptionList(
                *(
                    Option(
                        Text(safe(f"{shown}  {why}".rstrip()), no_wrap=True, overflow="ellipsis"), disabled=bool(why)
                    )
                    for _, shown, why in self._options
                ),
                markup=False,
            )
            yield Static(_answers(("Enter", "choose"), ("Esc", "leave it")), markup=False, classes="answers")

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Textual's hook: Enter."""
        self.dismiss(self._options[event.option_index][0])

    def action_leave(self) -> None:
        """Textual's hook: a key."""
        self.dismiss(None)

    def action_move(self, direction: str) -> None:
        """Textual's hook: a key."""
        options = self.query_one(OptionList)
        options.action_cursor_down() if direction == "down" else options.action_cursor_up()


class Page(ModalScreen[None]):
    """Something long to read."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "leave", "leave"),
        Binding("j,down", "scroll('down')", show=False),
        Binding("k,up", "scroll('up')", show=False),
        Binding("pagedown,space", "scroll('page_down')", show=False),
        Binding("pageup", "scroll('page_up')", show=False),
    ]

    def __init__(self, title: str, content: RenderableType) -> None:
        super().__init__()
        self._title, self._content = safe(title), content

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical(classes="box wide"):
            yield Static(Text(self._title, "bold"), markup=False, classes="heading")
            with VerticalScroll(classes="body"):
                yield Static(self._content, markup=False, id="page")
            yield Static(_answers(("↑ ↓", "scroll"), ("Esc", "back")), markup=False, classes="answers")

    def show(self, content: RenderableType) -> None:
        """Instead of what stood there until it was read."""
        self.query_one("#page", Static).update(content)

    def action_leave(self) -> None:
        """Textual's hook: a key."""
        self.dismiss(None)

    def action_scroll(self, where: str) -> None:
        """Textual's hook: a key."""
        body = self.query_one(VerticalScroll)
        {
            "down": body.scroll_down,
            "up": body.scroll_up,
            "page_down": body.scroll_page_down,
            "page_up": body.scroll_page_up,
        }[where](animate=False)


def help_page(forbidden: str) -> RenderableType:
    """Every key."""
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for key, meaning in LOOKING:
        grid.add_row(Text(f" {key}", "bold cyan"), meaning)
    for heading, on_what in (
        ("On the selected election", "election"),
        ("On the selected process", "process"),
        ("On this node or the fleet", "node"),
    ):
        deeds = [deed for deed in DEEDS if deed.on == on_what]
        if deeds:
            grid.add_row("", "")
            grid.add_row("", Text(heading, "bold"))
        for deed in deeds:
            shown = Text(f" {deed.key}", "dim" if forbidden else "bold cyan")
            grid.add_row(shown, Text(f"{deed.name}: {deed.help}", "dim" if forbidden else ""))
    signs = Text(
        "Each asks first and says what will happen.   ● well   ◐ unsure, or on its way   ✖ bad   ○ other", "dim"
    )
    return Group(*([Text(safe(f"{forbidden}\n"), "yellow")] if forbidden else []), grid, "", signs)


def _answers(*answers: tuple[str, str]) -> Text:
    text = Text()
    for key, meaning in answers:
        text.append(f" {key} ", "bold reverse").append(f" {meaning}   ")
    return text
