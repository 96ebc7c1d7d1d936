"""From one leader process to the next: handed over, its supervisor killed, itself killed."""

import contextlib
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from bench.harness.beats import LIVE_SECONDS, boottime, gap_ms
from bench.harness.result import BARE, OURS, Metric, Target
from bench.harness.wait import turns, until
from bench.rivals.contenders import Contender
from bench.rows.row import Row, Setting, contenders, on_loopback, show
from tests.drills.checker import Interval

TTL_SECONDS = 10
PATIENCE_SECONDS = 3.0 * TTL_SECONDS
OWN_START = f"{BARE}: the process's own start"
Strike = Callable[[Contender, Interval], None]


def gap_after(side: Contender, strike: Strike, *, from_strike: bool) -> tuple[float, bool]:
    """Milliseconds until another process beats, from the old one's last beat or the strike; whether the old one still did."""
    old = side.settle()
    struck = boottime()
    strike(side, old)
    until(f"{side.name}: the next", lambda: side.beats.after(struck, old.pid), seconds=PATIENCE_SECONDS)
    new = side.beats.after(struck, old.pid)
    assert new is not None
    time.sleep(LIVE_SECONDS)  # so that the old one, if it lives, has beaten again
    side.beats.read()
    before = next(one for one in side.beats.record.intervals("job") if one.pid == old.pid)
    outlived = before.last > new.first
    return ((new.first - struck) / 1e6 if from_strike else gap_ms(before, new)), outlived


@contextlib.contextmanager
def hushed(sides: Sequence[Contender]) -> Iterator[None]:
    """Their leader processes are stopped meanwhile: a thousand beats a second of everybody else's are no part of a gap."""
    stopped = [one.pid for side in sides for one in side.beats.alive()]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def own_start(side: Contender) -> float:
    """Milliseconds from just before the fork to the probe's first line: in every gap, and nobody's doing."""
    began = boottime()
    process = subprocess.Popen(side.beats.command("alone"), stdin=subprocess.DEVNULL)
    try:
        until("a first beat", lambda: side.beats.after(began, 0), pause=0.001)
        first = side.beats.after(began, 0)
        assert first is not None
        return (first.first - began) / 1e6
    finally:
        process.kill()
        process.wait()


def switchover(setting: Setting) -> list[Metric]:
    """A leader that is well hands over."""
    return [
        _gaps(
            setting, "switchover", "gap of a graceful handover", lambda side, old: side.hand_over(old), LIMIT_HANDOVER
        )
    ]


def crash(setting: Setting) -> list[Metric]:
    """The leader process dies; its supervisor lives."""
    metric = _gaps(
        setting, "crash", "leader process killed to running again", lambda _, old: os.kill(old.pid, signal.SIGKILL),
        "the death is seen at once; fork, exec and the process's own start remain",
    )  # fmt: skip
    return [metric]


LIMIT_HANDOVER = "one write and one watch event of etcd (about 2 ms on loopback), and the process's own start"


def _gaps(setting: Setting, row: str, name: str, strike: Strike, limit: str) -> Metric:
    rounds = setting.rounds(5, 25)
    samples: dict[str, list[float]] = defaultdict(list)
    with setting.etcd() as etcd, contenders(setting, on_loopback(etcd), setting.wanted()) as sides:
        alone = type(sides[0])(on_loopback(etcd, candidates=0), setting.scratch / "alone")
        for number, side in turns(sides, rounds):
            with hushed([other for other in sides if other is not side]):
                samples[side.name].append(gap_after(side, strike, from_strike=False)[0])
                if side is sides[0]:
                    samples[OWN_START].append(own_start(alone))
            show(f"{row} {number + 1}/{rounds} {side.name} {samples[side.name][-1]:.1f} ms")
        overlaps = {side.name: len(side.beats.record.overlaps()) for side in sides}
    found = ", ".join(f"{name} {count}" for name, count in overlaps.items())
    return Metric(
        row=row, name=name, unit="ms", samples={s: tuple(v) for s, v in samples.items()}, limit=limit,
        target=Target(kind="ratio", most=1.2), note=f"TTL {TTL_SECONDS} s; two at once: {found}",
    )  # fmt: skip


def killed(setting: Setting) -> list[Metric]:
    """SIGKILL to what supervises the leader process."""
    rounds = setting.rounds(1, 5)
    gaps: dict[str, list[float]] = defaultdict(list)
    outlived: dict[str, list[float]] = defaultdict(list)
    missing = {}
    with setting.etcd() as etcd:
        kinds = [kind for kind in setting.wanted() if kind.ttl_is_ours]
        missing = {
            kind.name: "its lease is etcdctl's 60 s: the next leader comes after that; not waited for"
            for kind in setting.wanted()
            if kind not in kinds
        }
        with contenders(setting, on_loopback(etcd), kinds) as sides:
            for number, side in turns(sides, rounds):
                for _ in range(4 if side.name == OURS else 1):
                    gap, still = gap_after(side, lambda s, old: s.kill_supervisor(old), from_strike=True)
                    gaps[side.name].append(gap)
                    outlived[side.name].append(100.0 * still)
                    show(f"killed {number + 1}/{rounds} {side.name} {gap:.0f} ms, the old process lives: {still}")
    return [
        Metric(
            row="killed", name="supervisor SIGKILLed to the next leader", unit="ms", missing=missing,
            samples={s: tuple(v) for s, v in gaps.items()}, target=Target(kind="ratio", most=0.05),
            limit="stop of the process, one revoke, and a handover; without a guardian the TTL",
            note=f"TTL {TTL_SECONDS} s, an etcd of one member; bench/failover.py does it over three and network namespaces",
        ),
        Metric(
            row="killed", name="rounds in which the old process ran beside the new", unit="%", missing=missing,
            samples={s: tuple(v) for s, v in outlived.items()}, target=Target(kind="value", most=0.0),
        ),
    ]  # fmt: skip


ROWS = (
    Row(name="switchover", title="graceful switchover: how long nobody works", measure=switchover),
    Row(name="crash", title="the leader process crashes: until one runs again", measure=crash),
    Row(name="killed", title="the supervisor is SIGKILLed: until the next leader runs", measure=killed),
)
