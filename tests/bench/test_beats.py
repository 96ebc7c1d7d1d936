"""The probe and its judge: two that overlap on purpose are found, two in turn are not, and the gap is the gap."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.harness.beats import Beats, boottime, gap_ms, overlap_ms, silence_ms
from bench.harness.wait import until
from tests.drills.checker import BadBeatsError, Interval


@contextmanager
def probe(beats: Beats, node: str, token: int) -> Iterator[Interval]:
    """A leader process with nobody behind it."""
    began = boottime()
    environment = {**os.environ, "NAIVE_TOKEN": str(token)}
    with subprocess.Popen(beats.command(node), env=environment) as process:
        try:
            until("its first beat", lambda: any(one.pid == process.pid for one in beats.alive(within_seconds=10)))
            found = beats.after(began, 0)
            assert found is not None
            yield found
        finally:
            process.send_signal(signal.SIGKILL)


def test_two_at_once_are_found_and_for_how_long(tmp_path: Path) -> None:
    beats, began = Beats(tmp_path / "beats"), boottime()
    with probe(beats, "n1", 7) as one, probe(beats, "n2", 8) as two:
        until("both beat at once", lambda: beats.alive() and overlap_ms(beats.record, 0) > 0)
    beats.read()
    assert (one.node, one.token, two.node, two.token) == ("n1", 7, "n2", 8)
    (overlap,) = beats.record.overlaps()
    assert {overlap.one.pid, overlap.other.pid} == {one.pid, two.pid}
    assert overlap_ms(beats.record, began) == pytest.approx((min(one.last, two.last) - two.first) / 1e6)
    assert overlap_ms(beats.record, began) > 0
    assert gap_ms(one, two) == 0.0


def test_one_after_the_other_do_not_overlap_and_the_gap_is_from_beat_to_beat(tmp_path: Path) -> None:
    beats, began = Beats(tmp_path / "beats"), boottime()
    with probe(beats, "n1", 7) as one:
        pass
    with probe(beats, "n1", 8) as two:
        ended = boottime()
    beats.read()
    assert not beats.record.overlaps()
    assert overlap_ms(beats.record, began) == 0.0
    assert gap_ms(one, two) == pytest.approx((two.first - one.last) / 1e6)
    assert silence_ms(beats.record, one.first, ended) >= gap_ms(one, two) - 1e-6
    assert gap_ms(one, two) > 0


def test_an_overlap_that_was_before_is_not_told_again(tmp_path: Path) -> None:
    beats = Beats(tmp_path / "beats")
    with probe(beats, "n1", 1), probe(beats, "n2", 2):
        until("both beat at once", lambda: beats.alive() and overlap_ms(beats.record, 0) > 0)
    beats.read()
    assert overlap_ms(beats.record, 0) > 0
    assert overlap_ms(beats.record, boottime()) == 0.0


def test_a_fake_that_nobody_could_mistake(tmp_path: Path) -> None:
    """Written by hand: 5 ms of two, then 20 ms of nobody."""
    beats = Beats(tmp_path / "beats")
    lines = [
        ("n1", 1, 1_000),
        ("n1", 1, 15_000),
        ("n2", 2, 10_000),
        ("n2", 2, 20_000),
        ("n3", 3, 40_000),
        ("n3", 3, 41_000),
    ]
    with beats.file.open("w") as file:
        for number, (node, token, at) in enumerate(lines):
            file.write(f"job {node} {token} {at * 1000} {100 + token} {'beat' if number % 2 else 'start'}\n")
    beats.read()
    assert overlap_ms(beats.record, 0) == pytest.approx(5.0)
    assert silence_ms(beats.record, 0, 41_000_000) == pytest.approx(20.0)


def test_what_is_no_beat_is_an_error_and_not_skipped(tmp_path: Path) -> None:
    beats = Beats(tmp_path / "beats")
    beats.file.write_text("job n1 one 1 1 beat\n")
    with pytest.raises(BadBeatsError):
        beats.read()
