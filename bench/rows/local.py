"""Many local processes, without an election: until all run, until none is left, what the supervisor holds; and its commands."""

import contextlib
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.harness.figures import descendants, memory_mib
from bench.harness.result import OURS, Metric, Target
from bench.harness.wait import NotSeenError, turns, until
from bench.rivals import local
from bench.rivals.local import Local
from bench.rows.row import Row, Setting, show

SECONDS = "86397.25"
"""That nobody else sleeps."""
COMMAND = ("sleep", SECONDS)
POLL_SECONDS = 0.01
_known: set[int] = set()
_first = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 # names are all that is wanted
"""Who was there before: not looked at again and again."""
PATIENCE_SECONDS = 60.0
ENOUGH_STATUS_ROUNDS = 15


def sleeping() -> set[int]:
    """The processes that were asked for, whoever started them. A pid is read again until it is one: it may exec yet."""
    there = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 # many times a second
    _known.intersection_update(there)
    for pid in there - _known - _first:
        with contextlib.suppress(OSError):
            said = Path(f"/proc/{pid}/cmdline").read_bytes()
            if said.split(b"\0")[:2] == [b"sleep", SECONDS.encode()]:
                _known.add(pid)
    return set(_known)


@contextlib.contextmanager
def supervised(side: Local, count: int) -> "Iterator[tuple[subprocess.Popen[bytes], float]]":
    """Until all run: yields its process and the seconds. None is left, whatever happens."""
    argv = side.argv(count, COMMAND)
    began = time.monotonic()
    with (side.home / "out").open("wb") as out:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=side.home, env=side.environment(),
            start_new_session=True,
        )  # fmt: skip
    try:
        took = (
            until(f"{count} run", lambda: len(sleeping()) >= count, seconds=PATIENCE_SECONDS, pause=POLL_SECONDS)
            - began
        )
        yield process, took
    finally:
        own = descendants(process.pid) if process.poll() is None else []
        for pid in own:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        while left := sleeping():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def stop(process: "subprocess.Popen[bytes]", side: Local) -> float:
    """Seconds from the word (SIGTERM; SIGHUP to runsvdir, which means: and everything below) until all are gone."""
    asked = time.monotonic()
    process.send_signal(signal.SIGHUP if side.name == "runit" else signal.SIGTERM)
    return (
        until(
            "none is left",
            lambda: process.poll() is not None and not sleeping(),
            seconds=PATIENCE_SECONDS,
            pause=POLL_SECONDS,
        )
        - asked
    )


def once(side: Local, count: int) -> dict[str, float]:
    """Start, hold, stop."""
    with supervised(side, count) as (process, took):
        time.sleep(1.0)  # for what it still has to note
        own = set(descendants(process.pid)) - sleeping()
        rss, pss = memory_mib(own)
        stopped = stop(process, side)
    return {"start": took, "stop": stopped, "RSS": rss, "PSS": pss}


def processes(setting: Setting, count: int, row: str, rounds: int) -> list[Metric]:
    """Each in turn."""
    sides = [name for name in local.KINDS if setting.wants(name) and (name == OURS or name in setting.rivals.programs)]
    missing = {name: why for name, why in setting.rivals.missing.items() if setting.wants(name)}
    for name in [side for side in sides if local.KINDS[side].most < count]:
        missing[name] = "not asked for so many: a Python of 20 MiB for each"
        sides.remove(name)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number, name in turns(sides, rounds):
        if name in missing:
            continue
        side = local.KINDS[name](setting.rivals, setting.scratch / f"{name}-{number}")
        try:
            took = once(side, count)
        except (NotSeenError, subprocess.TimeoutExpired) as error:
            missing[name] = f"{error}"
            continue
        for what, value in took.items():
            found[what][name].append(value)
        alone = once(local.KINDS[name](setting.rivals, setting.scratch / f"{name}-{number}-one"), 1)
        found["each"][name].append(1024 * (took["RSS"] - alone["RSS"]) / (count - 1))
        found["fixed"][name].append(alone["RSS"])
        show(f"{row} {number + 1}/{rounds} {name}: " + ", ".join(f"{k} {v:.2f}" for k, v in took.items()))
    shown = {
        "start": ("until all run", "s", "fork and exec one after another, 0.6 ms each from a bare Python"),
        "stop": ("until none is left", "s", "a signal and a wait each"),
        "RSS": ("RSS of the supervisor", "MiB", ""),
        "PSS": ("PSS of the supervisor", "MiB", ""),
        "fixed": ("RSS with one process", "MiB", "a bare Python is 9 MiB; runit and s6 are C"),
        "each": ("RSS for each further process", "KiB", ""),
    }
    targets = {
        "start": Target(kind="ratio", most=1.0, against=("circus",)),
        "stop": Target(kind="ratio", most=1.0, against=("circus",)),
        "fixed": Target(kind="value", most=70.0),
        "each": Target(kind="ratio", most=1.0, against=("supervisord", "circus")),
    }
    return [
        Metric(
            row=row, name=f"{count} processes: {name}", unit=unit, limit=limit, missing=missing,
            samples={side: tuple(v) for side, v in found[what].items()}, target=targets.get(what) if count == 200 else None,
        )
        for what, (name, unit, limit) in shown.items()
    ]  # fmt: skip


def commands(setting: Setting) -> list[Metric]:
    """How long `status` takes, the whole command; and adopting one process more: until it runs."""
    rounds = setting.rounds(3, ENOUGH_STATUS_ROUNDS)
    status: dict[str, list[float]] = defaultdict(list)
    reload: dict[str, list[float]] = defaultdict(list)
    missing = {name: why for name, why in setting.rivals.missing.items() if setting.wants(name)}
    count = 200
    with contextlib.ExitStack() as stack:
        sides = []
        for name in local.KINDS:
            if name in missing or not setting.wants(name) or name == "honcho":
                continue
            side = local.KINDS[name](setting.rivals, setting.scratch / name)
            already = len(sleeping())
            argv = side.argv(count, COMMAND)
            with (side.home / "out").open("wb") as out:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=side.home, env=side.environment(),
                    start_new_session=True,
                )  # fmt: skip
            stack.callback(_end, process)
            until(f"{name}: {count} run", lambda n=already: len(sleeping()) >= n + count)  # type: ignore[misc] # a default in a lambda is beyond it
            sides.append(side)
        time.sleep(2.0)
        for number, side in turns(sides, rounds):
            if argv := side.status():
                status[side.name].append(1000 * timed(argv, side))
            if number < 5:
                reload[side.name].append(1000 * adopted(side, number))
            show(f"commands {number + 1}/{rounds} {side.name} status {status[side.name][-1]:.0f} ms")
    missing["honcho"] = "has no such command"
    return [
        Metric(
            row="commands", name=f"status of {count} processes, the whole command", unit="ms", missing=missing,
            samples={s: tuple(v) for s, v in status.items()}, limit="one start of Python, 9 ms bare; grpc's import is most of ours",
            note="s6-svstat shows one service, and so a shell runs it 200 times",
        ),
        Metric(
            row="commands", name=f"one process more in a file of {count}: from the command until it runs", unit="ms",
            missing=missing, samples={s: tuple(v) for s, v in reload.items()},
            note="the daemon's own command, waited for; runit has none: it looks at its directory every 5 s",
        ),
    ]  # fmt: skip


def timed(argv: list[str], side: Local) -> float:
    """Seconds that a command takes."""
    began = time.monotonic()
    subprocess.run(argv, env=side.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.monotonic() - began


def adopted(side: Local, number: int) -> float:
    """Seconds from the command to the new process."""
    before = len(sleeping())
    side.add(f"more{number}", COMMAND)
    began = time.monotonic()
    if argv := side.reload():
        subprocess.run(argv, env=side.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return until(f"{side.name}: one more", lambda: len(sleeping()) > before) - began


def _end(process: "subprocess.Popen[bytes]") -> None:
    """It and all that it runs, and nothing of the others beside it."""
    for pid in descendants(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def two_hundred(setting: Setting) -> list[Metric]:
    """As many as a busy machine has."""
    return processes(setting, 200, "local200", setting.rounds(1, 5))


def two_thousand(setting: Setting) -> list[Metric]:
    """More than anybody has."""
    return processes(setting, 2000, "local2000", setting.rounds(1, 1))


ROWS = (
    Row(name="local200", title="200 local processes: start, stop, memory", measure=two_hundred),
    Row(name="local2000", title="2,000 local processes: start, stop, memory", measure=two_thousand),
    Row(name="commands", title="status and reload with 200 local processes", measure=commands),
)
