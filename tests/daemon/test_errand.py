"""A signal for the command of ``elect`` reaches it at whatever moment it comes, or ends the waiting when there is none."""

import signal
from dataclasses import replace
from typing import Any, cast

import pytest

from supervisor.core.actions import Action
from supervisor.core.events import Ticked
from supervisor.core.names import ElectionName, ProcessId, RunId
from supervisor.core.state import Process, ProcessPhase, State
from supervisor.daemon.errand import PROCESS, Errand, Wish
from tests.control import states
from tests.core.world import process

JOB = ElectionName("job")
COMMAND = ProcessId(JOB, PROCESS)
NONE: tuple[Action, ...] = ()


class Parts:
    """In place of the loop and of the guardian's link."""

    def __init__(self) -> None:
        self.state: State = states.state()
        self.sent: list[tuple[RunId, int, str]] = []

    def signal(self, run: RunId, number: int, to: str) -> None:
        self.sent.append((run, number, to))


class Told(Errand):
    """One whose end is a value."""

    __slots__ = ("ended",)

    def _end(self, code: int, trouble: str = "") -> None:  # noqa: ARG002 # the signature is its own
        self._code = self.ended = code


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
def errand(parts: Parts) -> Told:
    made = Told(Wish(election="job"), COMMAND)
    made.ended = 0
    made._loop, made._link = cast("Any", parts), cast("Any", parts)
    return made


def command(phase: ProcessPhase, **more: Any) -> Process:
    return replace(Process(id=COMMAND, spec=process("command")), phase=phase, run=RunId(7), **more)


def become(parts: Parts, errand: Told | None, now: Process) -> None:
    """The state changes; observers are shown it only when there is one to be shown to."""
    before, parts.state = parts.state, replace(parts.state, processes={COMMAND: now})
    if errand is not None:
        errand.observe(before, Ticked(), parts.state, NONE)


def test_a_signal_to_one_that_runs_goes_to_it_though_observers_have_not_been_shown_so_yet(
    parts: Parts, errand: Told
) -> None:
    become(parts, None, command(ProcessPhase.RUNNING, pid=5))
    errand._signalled(signal.SIGUSR1)
    errand._signalled(signal.SIGINT)
    assert parts.sent == [(RunId(7), signal.SIGUSR1, "main"), (RunId(7), signal.SIGINT, "group")]


def test_a_signal_to_one_that_is_being_started_is_kept_for_it(parts: Parts, errand: Told) -> None:
    become(parts, errand, command(ProcessPhase.STARTING))
    errand._signalled(signal.SIGUSR1)
    errand._signalled(signal.SIGTERM)
    assert (parts.sent, errand.ended) == ([], 0)
    become(parts, errand, command(ProcessPhase.RUNNING, pid=5))
    assert [number for _, number, _ in parts.sent] == [signal.SIGUSR1, signal.SIGTERM]
    assert errand.ended == 0, "what it means is the command's affair"
    become(parts, errand, command(ProcessPhase.STOPPING, pid=5))
    assert len(parts.sent) == 2, "once"


def test_a_signal_kept_for_one_that_never_ran_ends_the_waiting(parts: Parts, errand: Told) -> None:
    become(parts, errand, command(ProcessPhase.STARTING))
    errand._signalled(signal.SIGTERM)
    become(parts, errand, command(ProcessPhase.STOPPED))
    assert (parts.sent, errand.ended) == ([], 128 + signal.SIGTERM)


@pytest.mark.parametrize(
    "now", [command(ProcessPhase.STOPPED), command(ProcessPhase.STARTING, held=True), command(ProcessPhase.BACKOFF)]
)
def test_a_signal_while_nothing_runs_ends_the_waiting_if_it_means_an_end(
    parts: Parts, errand: Told, now: Process
) -> None:
    become(parts, errand, now)
    errand._signalled(signal.SIGUSR1)
    assert errand.ended == 0
    errand._signalled(signal.SIGHUP)
    assert (parts.sent, errand.ended) == ([], 128 + signal.SIGHUP)
