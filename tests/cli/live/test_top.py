"""``supervisor top`` over a fake daemon: what it shows, what its keys ask and do, and what it does not obey."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from supervisor.cli import main
from supervisor.cli.live.app import Top
from supervisor.cli.live.keys import DEEDS, KEYS
from supervisor.cli.live.screens import Choice, Page, Question
from supervisor.control import describe, views
from supervisor.control.client import NotPermitted
from supervisor.core.state import State
from tests.cli.live.fakes import FakeDaemon
from tests.control import states

SMALL, LARGE = (80, 24), (120, 40)
ESCAPE = "\x1b[31m\x1b]0;owned\x07"


def status(state: State) -> views.Status:
    return describe.status(state, states.FACTS, states.NOW)


def fake(state: State | None = None) -> FakeDaemon:
    daemon = FakeDaemon(status(state or states.healthy()))
    daemon.queue = views.Queue(
        election="billing",
        age_seconds=0.2,
        candidates=(
            standing(1, "web-1", state="leading", ours=True),
            standing(2, "web-2"),
            standing(3, "web-3", health="unhealthy"),
            standing(4, ""),
        ),
    )
    return daemon


def standing(
    position: int, node: str, *, state: str = "candidate", health: str = "healthy", ours: bool = False
) -> views.Standing:
    known = {"state": state, "health": health} if node else {"state": "", "health": ""}
    return views.Standing(
        position=position,
        node=node,
        key=f"/supervisor/billing/{position}",
        token=position,
        priority=0,
        ours=ours,
        **known,
    )


class Screen:
    """The application as a test sees and drives it."""

    def __init__(self, top: Top, pilot: Pilot[None]) -> None:
        self.top, self.pilot = top, pilot

    def lines(self) -> list[str]:
        """What stands on the screen."""
        return ["".join(segment.text for segment in strip) for strip in self.top.screen._compositor.render_strips()]

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines())

    async def until(self, found: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < deadline, self.text()
            await self.pilot.pause(0.02)

    async def shows(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.text() for text in texts))

    async def asked(self) -> str:
        """The question, when it is there."""
        await self.until(lambda: isinstance(self.top.screen, Question))
        await self.pilot.pause()
        return str(self.top.screen.query_one("#warning", Static).content)


@asynccontextmanager
async def screen(
    daemon: FakeDaemon, size: tuple[int, int] = LARGE, *, read_only: bool = False
) -> AsyncIterator[Screen]:
    top = Top(daemon.connect, first=daemon.status, read_only=read_only)
    async with top.run_test(size=size) as pilot:
        shown = Screen(top, pilot)
        await shown.shows("ELECTIONS", "billing", "live")
        yield shown


# --- what is shown -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, LARGE, (200, 60), (40, 12)])
async def test_every_part_has_its_place_at_every_size(size: tuple[int, int]) -> None:
    daemon = fake()
    daemon.say("billing/api", b"hello there\n")
    async with screen(daemon, size) as shown:
        await shown.shows("web-1", "● healthy", "PROCESSES", "billing/api", "R resign", "why")
        if size[1] >= 24:
            await shown.shows("LOG", "hello there", "? help")
        lines = shown.lines()
        assert len(lines) == size[1]
        assert all(len(line) <= size[0] for line in lines)


async def test_a_narrow_screen_has_fewer_columns_and_one_pane_below() -> None:
    daemon = fake()
    daemon.happen(happening("billing: became leader, token 1234"))
    async with screen(daemon, SMALL) as shown:
        assert "KNOWN BY" not in shown.text()
        assert "became leader" not in shown.text()
        await shown.pilot.press("v")
        await shown.shows("EVENTS", "billing: became leader, token 1234")
        await shown.pilot.resize_terminal(*LARGE)
        await shown.shows("KNOWN BY", "LOG", "EVENTS")


async def test_everything_comes_by_itself() -> None:
    daemon = fake()
    async with screen(daemon) as shown:
        await shown.shows("of billing/api")
        daemon.say("billing/api", b"one\ntwo\n", "stderr")
        daemon.happen(happening("search: lost"))
        daemon.become(status(states.troubled()))
        await shown.shows("! two", "search: lost", "✖ degraded", "gave-up", "more (i)")


def happening(text: str, number: int = 1) -> views.Happening:
    return views.Happening(
        number=number, at="2026-11-24T12:00:01.000Z", node="web-1", kind="term-won", election="billing", process="",
        token=1234, text=text, facts="{}", missed=0,
    )  # fmt: skip


async def test_the_log_is_that_of_the_selected_process() -> None:
    daemon = fake()
    daemon.say("billing/api", b"from the api\n")
    daemon.say("exporter", b"from the exporter\n")
    async with screen(daemon) as shown:
        await shown.shows("from the api")
        await shown.pilot.press("tab", "end")
        await shown.shows("of exporter", "from the exporter")
        assert "from the api" not in shown.text()


async def test_a_daemon_that_goes_is_waited_for_and_everything_is_old_meanwhile() -> None:
    daemon = fake()
    async with screen(daemon) as shown:
        daemon.end()
        await shown.shows("✖ unknown", "last heard", "as heard", "no supervisor is running here")
        await shown.pilot.press("R")
        await shown.shows("resign: the supervisor cannot be asked now")
        assert daemon.done == []
        daemon.alive = True
        await shown.shows("live", "● healthy")
        daemon.happen(happening("the next one speaks", number=7))
        await shown.shows("the next one speaks")


async def test_what_cannot_be_confirmed_is_unknown() -> None:
    async with screen(fake(states.cut_off()), SMALL) as shown:
        await shown.shows("etcd UNREACHABLE", "unknown (last confirmed")


async def test_a_filter_and_an_order() -> None:
    async with screen(fake(states.troubled())) as shown:
        await shown.pilot.press("slash", *"gave-up", "enter")
        await shown.shows("1 of 6", "search/standby", "0 of 4")
        assert "billing/worker" not in shown.text()
        await shown.pilot.press("escape")
        await shown.shows("billing/worker")
        await shown.pilot.press("tab", "o")
        await shown.shows("by trouble")
        assert shown.top._processes._names[:2] == ("search/standby", "billing/worker")
        grid = shown.top._processes
        assert (grid.chosen, grid.cursor_row) == ("search/standby", 0)  # the cursor stays with its process


async def test_help_has_every_key_and_details_tell_why() -> None:
    daemon = fake()
    daemon.happen(happening("billing: became leader, token 1234"))
    async with screen(daemon, (120, 50)) as shown:
        await shown.pilot.press("question_mark")
        await shown.until(lambda: isinstance(shown.top.screen, Page))
        await shown.shows("filter both tables", *{deed.help for deed in DEEDS})
        await shown.pilot.press("escape", "enter")
        await shown.shows("this node leads (token 1234)", "What happened", "Who stands", "web-2", "foreign")
        await shown.pilot.press("escape", "tab", "enter")
        await shown.shows("role        leader, service")
        await shown.pilot.press("escape", "i")
        await shown.shows("daemon", "guardian 4322", "lease")
        await shown.pilot.press("q")
        await shown.until(lambda: not isinstance(shown.top.screen, Page))


# --- what keys do --------------------------------------------------------------------------------------------------


async def test_nothing_is_done_without_a_yes() -> None:
    daemon = fake()
    async with screen(daemon) as shown:
        for no in ("n", "escape", "q", "enter"):
            await shown.pilot.press("R")
            await shown.asked()
            await shown.pilot.press(no)
        assert daemon.done == []


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_resigning_says_what_will_happen_and_what_came_of_it(size: tuple[int, int]) -> None:
    daemon = fake()
    async with screen(daemon, size) as shown:
        await shown.pilot.press("R")
        warning = await shown.asked()
        assert "web-1 gives up the lead of billing (token 1234)" in warning
        assert "Its leader process here (api) will be stopped" in warning
        assert "Next in the queue is web-2 (healthy)" in warning
        await shown.pilot.press("y")
        await shown.shows("resign billing: resigned (token 1234); web-2 leads (token 1300)")
        assert daemon.done == [("resign", "billing")]


async def test_a_lonely_leader_is_warned() -> None:
    daemon = fake()
    daemon.queue = replace(daemon.queue, candidates=daemon.queue.candidates[:1])
    async with screen(daemon) as shown:
        await shown.pilot.press("R")
        assert "NOBODY ELSE STANDS FOR IT" in await shown.asked()


async def test_a_switchover_has_a_choice_of_who_can() -> None:
    daemon = fake()
    daemon.progress = (
        views.Progress(text="web-1 hands over to web-2"),
        views.Progress(text="web-2 leads (token 1300)", outcome="done"),
    )
    async with screen(daemon) as shown:
        await shown.pilot.press("S")
        await shown.until(lambda: isinstance(shown.top.screen, Choice))
        options = shown.top.screen.query_one(OptionList).options
        assert [option.disabled for option in options] == [False, False, True, True]
        await shown.shows("web-3, #3 in the queue, unhealthy  (not healthy)", "foreign", "another program's candidate")
        await shown.pilot.press("down", "enter")
        assert "web-1 makes sure that web-2 is a healthy candidate" in await shown.asked()
        await shown.pilot.press("y")
        await shown.shows("switchover billing: web-2 leads (token 1300)")
        assert daemon.done == [("switchover", "billing", "web-2")]


@pytest.mark.parametrize(
    ("keys", "warns", "done"),
    [
        ("P", "billing is paused, on every node", ("pause", "billing")),
        ("F", "EVERY ELECTION of this namespace is paused", ("pause", "")),
        ("D", "web-1 hands over what it leads (billing)", ("drain", "")),
        ("r", "started with a fresh restart budget. The term and its token stay", ("restart", "billing/api")),
        ("x", "THIS NODE GOES ON LEADING WITHOUT IT", ("stop", "billing/api")),
    ],
)
async def test_each_key_warns_and_does(keys: str, warns: str, done: tuple[str, ...]) -> None:
    daemon = fake()
    async with screen(daemon) as shown:
        await shown.pilot.press(keys)
        assert warns in await shown.asked()
        await shown.pilot.press("y")
        await shown.until(lambda: daemon.done == [done])


async def test_keys_turn_round_when_it_is_done() -> None:
    """Pause is resume where it is paused, drain undrain, and a stopped process is started."""
    now = status(states.healthy())
    fleet = views.Reason(kind=views.UNHEALTHY, subject="fleet", text="PAUSED by ann: nobody moves")
    now = replace(
        now,
        reasons=(fleet,),
        daemon=replace(now.daemon, drained="by ann"),
        elections=tuple(replace(e, paused="by ann since noon") for e in now.elections),
        processes=tuple(replace(p, halted=True, pid=None, phase="stopped") for p in now.processes),
    )
    daemon = fake()
    daemon.status = now
    async with screen(daemon, SMALL) as shown:
        await shown.shows("PAUSED", "P resume", "D undrain", "F resume all", "stopped by operator")
        for key, said in (
            ("R", "billing is paused by ann since noon"),
            ("S", "switchover: billing is paused by ann"),
            ("P", "the whole fleet is paused"),
            ("r", "was stopped by an operator"),
            ("x", "is stopped already"),
        ):
            await shown.pilot.press(key)
            await shown.shows(said)
        for key in "DFs":
            await shown.pilot.press(key)
            await shown.asked()
            await shown.pilot.press("y")
        await shown.until(lambda: daemon.done == [("undrain", ""), ("resume", ""), ("start", "billing/api")])


async def test_a_question_whose_ground_is_gone_does_nothing() -> None:
    daemon = fake()
    async with screen(daemon) as shown:
        await shown.pilot.press("R")
        await shown.asked()
        e = daemon.status.elections[0]
        lost = replace(e, role="follower", phase="following", leader=replace(e.leader, words="web-2", ours=False))
        daemon.become(replace(daemon.status, elections=(lost, *daemon.status.elections[1:])))
        await shown.until(lambda: shown.top._scene.status.elections[0].role == "follower")
        await shown.pilot.press("y")
        await shown.shows("this node does not lead billing: web-2 leads")
        assert daemon.done == []


async def test_a_refusal_is_told_in_the_daemons_words() -> None:
    daemon = fake()
    daemon.refusal = NotPermitted("mallory may look but not resign: that takes group ops")
    async with screen(daemon) as shown:
        await shown.pilot.press("R")
        await shown.asked()
        await shown.pilot.press("y")
        await shown.shows("resign billing: mallory may look but not resign: that takes group ops")


async def test_who_may_only_look_sees_why() -> None:
    daemon = fake()
    daemon.allowed = views.Allowed(control=False, reason="ann (uid 1000) may look but not change anything: group ops")
    async with screen(daemon, SMALL) as shown:
        await shown.shows("look only: ann (uid 1000) may look")
        for key in KEYS:
            await shown.pilot.press(key)
        await shown.shows("may look but not change anything")
        assert not isinstance(shown.top.screen, Question | Choice)
    async with screen(fake(), read_only=True) as shown:
        await shown.pilot.press("R")
        await shown.shows("look only: started with --read-only")


# --- what it does not obey -----------------------------------------------------------------------------------------


def hostile() -> views.Status:
    bad = f"[red]x[/red]{ESCAPE}[@click=app.quit]y[/]\u202e"
    now = status(states.troubled())
    return replace(
        now,
        daemon=replace(now.daemon, node=bad),
        reasons=(views.Reason(kind=views.UNHEALTHY, subject=bad, text=bad),),
        elections=tuple(
            replace(e, name=f"billing{bad}{n}", leader=replace(e.leader, words=bad, value=bad))
            for n, e in enumerate(now.elections)
        ),
        processes=tuple(
            replace(p, name=bad + str(n), last_exit=bad, status_text=bad) for n, p in enumerate(now.processes)
        ),
    )


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_names_and_values_are_text(size: tuple[int, int]) -> None:
    daemon = fake()
    daemon.status = hostile()
    process = daemon.status.processes[0].name
    daemon.queue = replace(daemon.queue, candidates=(standing(1, "web-1"), standing(2, f"[b]{ESCAPE}")))
    daemon.happen(happening(f"[red]{ESCAPE}\u202e"))
    daemon.say(process, f"[blink]{ESCAPE}\u202e\r\x9b2J\xff\n".encode("latin-1", "replace") + b"\x00\n")
    async with screen(daemon, size) as shown:
        await shown.shows("[red]x[/red]\\x1b[31m\\x1b]0;owned\\x07", "[blink]\\x1b[31m")
        for keys in (("R", "n"), ("S", "escape"), ("r", "n"), ("enter", "escape"), ("i", "escape"), ("v",), ("x", "y")):
            await shown.pilot.press(keys[0])
            await shown.pilot.pause(0.1)
            harmless(shown)
            await shown.pilot.press(*keys[1:])
        harmless(shown)
        assert shown.top.is_running


def harmless(shown: Screen) -> None:
    text = "".join(shown.lines())
    assert not {c for c in text if c < " " or "\x7f" <= c < "\xa0" or c in "\u202e\u2066"}
    assert "owned" not in shown.top.title


async def test_a_flood_is_bounded_and_counted() -> None:
    daemon = fake()
    async with screen(daemon) as shown:
        await shown.shows("of billing/api")
        for n in range(200):
            daemon.say("billing/api", b"".join(b"line %d\n" % (100 * n + m) for m in range(100)))
        await shown.shows("line 19999")
        assert len(shown.top._log_tail._kept) <= 2000


async def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with screen(fake(states.troubled())) as shown:
        colors = {
            segment.style.color.triplet
            for strip in shown.top.screen._compositor.render_strips()
            for segment in strip.apply_filter(shown.top._filters[-1], shown.top.screen.background_colors[1])
            if segment.style and segment.style.color and segment.style.color.triplet
        }
        assert colors
        assert all(max(c) - min(c) <= 1 for c in colors), colors  # greys


# --- the command ---------------------------------------------------------------------------------------------------


def test_it_needs_a_terminal(capsys: pytest.CaptureFixture[str], tmp_path: os.PathLike[str]) -> None:
    assert main.run(["top", "--socket", f"{os.fspath(tmp_path)}/s"]) == 64
    assert "needs a terminal" in capsys.readouterr().err


def test_no_other_verb_loads_textual() -> None:
    code = """
import sys
from supervisor.cli.main import _VERBS, supervisor
found = [supervisor.get_command(None, verb) for verb in _VERBS]
print(len(found), "textual" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [str(len(main._VERBS)), "False"]


def test_texts_are_made_for_screens_of_any_width() -> None:
    from supervisor.cli.live import bars

    for width in (1, 20, 80, 300):
        assert isinstance(bars.head(status(states.troubled()), "", 0.0, width), Text)
