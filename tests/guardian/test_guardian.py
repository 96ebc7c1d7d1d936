"""The guardian on real processes, in both kinds of containment. Short deadlines, no sleeping for luck."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from supervisor.core import events as ev
from supervisor.core.names import ElectionName, Instant, LeaseId, RunId, Term, Token
from supervisor.guardian import containment
from supervisor.guardian.link import GuardianLink, SpawnRequest, launch

TERM = Term(ElectionName("job"), Token(7))
LEASE = LeaseId(42)
DAEMONISE = (
    "import os, time\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        time.sleep(600)\n"
    "    os._exit(0)\n"
    "time.sleep({stay})\n"
)


def now() -> Instant:
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME))


class Bench:
    """A guardian and what it said."""

    def __init__(self, state_dir: Path) -> None:
        self.events: list[ev.Event] = []
        self.changed = asyncio.Event()
        self.link = GuardianLink(launch(state_dir=state_dir), on_event=self._hear, chance=lambda: 0.5)
        self.task = asyncio.create_task(self.link.run())

    def _hear(self, event: ev.Event) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, fits: Callable[[ev.Event], bool], seconds: float = 10.0) -> ev.Event:
        async with asyncio.timeout(seconds):
            while not any(fits(event) for event in self.events):
                self.changed.clear()
                await self.changed.wait()
        return next(event for event in self.events if fits(event))

    async def first(self, *kinds: type[ev.Event]) -> ev.Event:
        return await self.until(lambda event: isinstance(event, kinds))

    def arm(self, seconds: float = 60.0) -> None:
        self.link.arm(TERM, LEASE, Instant(now() + seconds), 0.0)

    def spawn(self, *argv: str, run: int = 1, term: Term | None = TERM, **more: object) -> None:
        with Path("/dev/null").open("wb") as out:
            request = SpawnRequest(
                run=RunId(run),
                scope=f"job.work.{run}",
                term=term,
                argv=argv,
                environment={"PATH": os.environ["PATH"]},
                **more,  # type: ignore[arg-type] # forwarded as they are
            )
            self.link.spawn(request, out.fileno(), out.fileno())


@pytest.fixture(params=["cgroup", "session"])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    monkeypatch.setenv("SUPERVISOR_CONTAINMENT", request.param)
    bench = Bench(tmp_path)
    if bench.link.ready.containment != request.param:
        await bench.link.close()
        pytest.skip("no cgroup v2 that is ours to write")
    yield bench
    await bench.link.close()
    await bench.task


def alive_of(bench: Bench) -> list[containment.Found]:
    """Everything that carries this guardian's mark."""
    mark = bench.link.ready.marker
    return [p for p in containment.everyone() if containment.marker_of(p.pid).startswith(mark + ":")]


async def test_a_child_starts_ends_and_is_empty_in_that_order(bench: Bench) -> None:
    bench.arm()
    bench.spawn("sh", "-c", "exit 3")
    await bench.first(ev.Emptied)
    kinds = [type(event) for event in bench.events]
    assert kinds == [ev.Armed, ev.Spawned, ev.Exited, ev.Emptied]
    exited = bench.events[2]
    assert isinstance(exited, ev.Exited)
    assert exited.code == 3


@pytest.mark.parametrize(
    ("argv", "more", "said"),
    [
        (("/no/such/program",), {}, "No such file"),
        (("/etc/passwd",), {}, "Permission denied"),
        (("true",), {"directory": "/no/such/place"}, "/no/such/place"),
    ],
)
async def test_what_cannot_be_executed_says_why(
    bench: Bench, argv: tuple[str, ...], more: dict[str, object], said: str
) -> None:
    bench.arm()
    bench.spawn(*argv, **more)  # type: ignore[arg-type] # forwarded as they are
    failed = await bench.first(ev.SpawnFailed)
    assert isinstance(failed, ev.SpawnFailed)
    assert said in failed.detail


async def test_no_leader_process_without_an_armed_term(bench: Bench) -> None:
    bench.spawn("sleep", "600")
    failed = await bench.first(ev.SpawnFailed)
    assert isinstance(failed, ev.SpawnFailed)
    assert "not armed" in failed.detail
    assert not alive_of(bench)


async def test_kill_by_strikes_what_ignores_sigterm(bench: Bench) -> None:
    bench.arm(0.6)
    bench.spawn("sh", "-c", "trap '' TERM; while :; do sleep 600; done")
    await bench.first(ev.Spawned)
    struck = await bench.first(ev.KillByStruck)
    assert isinstance(struck, ev.KillByStruck)
    assert struck.late_seconds >= 0
    await bench.first(ev.Emptied)
    assert not alive_of(bench)


async def test_a_renewal_moves_kill_by_and_never_back(bench: Bench) -> None:
    bench.arm(0.8)
    bench.spawn("sleep", "600")
    await bench.first(ev.Spawned)
    began = now()
    bench.link.extend(LEASE, Instant(began + 2.0))
    bench.link.extend(LEASE, Instant(began + 0.1))
    await bench.first(ev.KillByStruck)
    assert now() - began >= 2.0


async def test_disarm_waits_for_a_daemonised_grandchild(bench: Bench) -> None:
    bench.arm()
    bench.spawn(sys.executable, "-c", DAEMONISE.format(stay=0.3))
    await bench.first(ev.Exited)
    bench.link.disarm(TERM)
    refused = await bench.first(ev.DisarmRefused)
    assert isinstance(refused, ev.DisarmRefused)
    assert "python" in refused.blockers[0]
    assert not any(isinstance(event, ev.Emptied) for event in bench.events)
    bench.link.kill(RunId(1))
    await bench.first(ev.Emptied)
    bench.link.disarm(TERM)
    await bench.first(ev.Disarmed)
    assert not alive_of(bench)


async def test_a_kill_outruns_a_fork_bomb(bench: Bench) -> None:
    bench.arm()
    bomb = "import os, time\nfor _ in range(60):\n    os.fork() if len(os.listdir('/proc')) < 600 else None\ntime.sleep(600)"
    bench.spawn(sys.executable, "-c", bomb, rlimits={})
    await bench.first(ev.Spawned)
    bench.link.kill(RunId(1))
    await bench.first(ev.Emptied)
    assert not alive_of(bench)


async def test_the_guardians_death_ends_everything_and_is_told(bench: Bench) -> None:
    bench.arm()
    bench.spawn(sys.executable, "-c", DAEMONISE.format(stay=600))
    await bench.first(ev.Spawned)
    os.kill(bench.link.ready.pid, 9)
    await bench.first(ev.GuardianLost)
    assert not alive_of(bench)
    assert isinstance(bench.events[-1], ev.GuardianLost)
    assert any(isinstance(event, ev.Emptied) for event in bench.events)
    bench.spawn("true", run=2)
    assert type(bench.events[-1]).__name__ == "SpawnFailed"


async def test_leftovers_of_an_earlier_run_are_ended_before_anything_starts(tmp_path: Path) -> None:
    mark = containment_mark(tmp_path)
    left = subprocess.Popen(["sleep", "600"], env={containment.MARKER: f"{mark}:job.work.1"}, start_new_session=True)
    bench = Bench(tmp_path)
    assert left.wait(5) == -9
    assert any("earlier run" in note for note in bench.link.ready.notes)
    await bench.link.close()
    await bench.task


def containment_mark(state_dir: Path) -> str:
    from supervisor.guardian.link import mark_of

    return mark_of(state_dir)


def test_the_guardian_process_loads_the_standard_library_only() -> None:
    script = Path(containment.__file__).with_name("__main__.py")
    code = (
        "import runpy, sys\n"
        f"runpy.run_path({str(script)!r}, run_name='not-main')\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('asyncio', 'grpc', 'yaml', 'ssl', 'google')])"
    )
    root = str(Path(containment.__file__).parents[2])
    path = f"import sys; sys.path.append({root!r})\n"
    shown = subprocess.run([sys.executable, "-I", "-S", "-c", path + code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
