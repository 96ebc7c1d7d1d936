"""Patterns: what they find, and that none of them holds up the process."""

import asyncio
import time

import pytest

from supervisor.core.actions import StartProbe
from supervisor.core.events import Event, ProbeFailed, ProbeSucceeded
from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role, RunId
from supervisor.core.spec import ProbeKind, ProbeSpec, ProcessSpec
from supervisor.processes.logwatch import BATCH_LINES, LINE_CHARACTERS, LogWatches
from supervisor.processes.patterns import MOST_OVERRUNS, Pattern

API = ProcessId(ElectionName("billing"), ProcessName("api"))
RUN = RunId(1)
EVIL = [
    ("(a+)+$", "a" * 60 + "!"),
    (".*.*.*.*.*x", "a" * 4000),
    (r"(\w+\s?)*$", "word " * 40 + "!"),
    ("(?:a|a)*b", "a" * 60),
]


def test_what_matches() -> None:
    assert Pattern("b+").search("abc")
    assert not Pattern("^b").search("abc")
    assert Pattern("x").first(["a", "xx", "x"]) == 1
    with pytest.raises(ValueError, match="not a regular expression"):
        Pattern("(")


@pytest.mark.parametrize(("text", "line"), EVIL)
def test_no_pattern_takes_for_ever(text: str, line: str) -> None:
    pattern = Pattern(text)
    began = time.process_time()
    while not pattern.unfit:
        assert not pattern.search(line)
    assert time.process_time() - began < 10, "each of them would take years"
    assert pattern.overruns == MOST_OVERRUNS
    assert pattern.first(["x", line]) is None


async def test_the_event_loop_goes_on_and_its_signal_handlers_stay() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(turn())
    for text, line in EVIL:
        Pattern(text).search(line)
        await asyncio.sleep(0)
    before = turns
    await asyncio.sleep(0)
    assert turns > before
    task.cancel()


class Desk:
    """Watches, and what they told."""

    def __init__(self, pattern: str) -> None:
        self.told: list[Event] = []
        self.probe = ProbeSpec(kind=ProbeKind.LOG, pattern=pattern)
        self.watches = LogWatches(on_event=self.told.append)
        self.spec = ProcessSpec(id=API, role=Role.ALWAYS, command=("x",), ready=self.probe)
        assert self.watches.open(self.spec, RUN)

    def start(self, pattern: str | None = None, said: bytes = b"") -> None:
        probe = self.probe if pattern is None else ProbeSpec(kind=ProbeKind.LOG, pattern=pattern)
        self.watches.start(StartProbe(run=RUN, process=API, purpose="ready", probe=probe), said)


READY = ProbeSucceeded(run=RUN, purpose="ready")


def test_a_line_before_or_after_the_start_of_the_probe() -> None:
    for early in (True, False):
        desk = Desk(r"^ready \d")
        assert desk.watches.feed(RUN, b"not ready 1\n")
        if not early:
            desk.start()
        assert not desk.watches.feed(RUN, b"x\nready 2\nready 3\n"), "nothing more is wanted"
        assert desk.told == ([] if early else [READY])
        desk.start()  # again, perhaps: as after a reload
        assert desk.told == ([READY] if early else [READY, READY])


def test_another_pattern_looks_at_what_was_said() -> None:
    desk = Desk("never")
    desk.start()
    desk.start("other", b"some other\n")
    assert desk.told == [READY]


def test_stopped_and_closed() -> None:
    desk = Desk("ready")
    desk.start()
    desk.watches.stop(RUN)
    desk.watches.feed(RUN, b"ready\n")
    assert desk.told == []
    desk.start()
    assert desk.told == [READY]
    desk.watches.close(RUN)
    assert not desk.watches.feed(RUN, b"ready\n")
    other = ProcessSpec(id=API, role=Role.ALWAYS, command=("x",))
    assert not desk.watches.open(other, RUN)


def test_only_the_beginning_of_a_line_is_compared_and_any_bytes_may_come() -> None:
    desk = Desk("end$")
    desk.start()
    desk.watches.feed(RUN, b"x" * LINE_CHARACTERS + b"end\n" + bytes(range(256)) * 10 + b"\n")
    assert desk.told == []
    desk.watches.feed(RUN, "\u00fc".encode() * 100 + b"\xff\xfe end\n")
    assert desk.told == [READY]


def test_one_slow_line_among_many_hides_none() -> None:
    desk = Desk("(a+)+$|^ready$")
    desk.start()
    block = b"fine\n" * (BATCH_LINES // 2) + b"a" * 60 + b"!\nready\n"
    desk.watches.feed(RUN, block)
    assert desk.told == [READY]


def test_a_pattern_that_is_too_slow_is_given_up_in_words() -> None:
    desk = Desk("(a+)+$")
    desk.start()
    while desk.watches.feed(RUN, b"a" * 60 + b"!\n"):
        assert desk.told == []
    (told,) = desk.told
    assert isinstance(told, ProbeFailed)
    assert told.detail == "given up: the pattern took too long on 5 lines; write a simpler one"
