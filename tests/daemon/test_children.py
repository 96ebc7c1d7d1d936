"""Children under a real guardian: what they tell by sd_notify and by their output, and commands of probes in their term."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role, RunId, Term
from supervisor.core.spec import ProbeKind, ProbeSpec, ProcessSpec
from supervisor.daemon.children import Children
from supervisor.guardian.link import GuardianLink, launch
from supervisor.processes.logs import LogCapture
from supervisor.processes.output import Output
from tests.guardian.conftest import containment  # noqa: F401 # a fixture
from tests.guardian.harness import BILLING, LEASE, PATIENCE_SECONDS, arm, dead, now, until, wait_dead, written_pid

E = TypeVar("E", bound=ev.Event)
API = ProcessId(ElectionName("billing"), ProcessName("api"))
NOTIFY = ProbeSpec(kind=ProbeKind.NOTIFY)
SAY = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(*words): s.sendto("\\n".join(words).encode(), "\\0" + os.environ["NOTIFY_SOCKET"][1:])
"""


def watchdog(seconds: float) -> ProbeSpec:
    return ProbeSpec(kind=ProbeKind.WATCHDOG, every_seconds=seconds, failures=1)


def execs(*command: str, timeout_seconds: float = 30.0) -> ProbeSpec:
    return ProbeSpec(kind=ProbeKind.EXEC, command=command, every_seconds=0.05, timeout_seconds=timeout_seconds)


class Shop:
    """A guardian, and the children of a daemon that has no core."""

    def __init__(self, state_dir: Path) -> None:
        self.news: list[ev.Event] = []
        self.warnings: list[str] = []
        self.answer: Callable[[ev.Event], None] | None = None
        """What a core would do, at once."""
        self._changed = asyncio.Event()
        self._run = 0
        launched = launch(state_dir=state_dir, node="test")
        self.guardian = launched.ready.pid
        self.link = GuardianLink(launched, on_event=self._hear, chance=lambda: 0.5)
        self.output = Output(2)
        logs = LogCapture(output=self.output, on_warning=self.warnings.append)
        base = dict(os.environ)
        self.children = Children(self.link, logs, self._post, base=base, on_warning=self.warnings.append)

    def _hear(self, event: ev.Event) -> None:
        self.children.on_event(event)

    def _post(self, event: ev.Event) -> None:
        self.news.append(event)
        self._changed.set()
        if self.answer is not None:
            self.answer(event)

    async def expect(self, kind: type[E], *, run: RunId | None = None, after: int = 0) -> E:
        """The first news of this kind, of those after the first so many."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                self._changed.clear()
                for event in self.news[after:]:
                    if isinstance(event, kind) and (run is None or getattr(event, "run", None) == run):
                        return event
                await self._changed.wait()

    def spawn(self, *argv: str, term: Term | None = None, **fields: object) -> RunId:
        self._run += 1
        run = RunId(self._run)
        role = Role.ALWAYS if term is None else Role.LEADER
        spec = ProcessSpec(id=API, role=role, command=argv, **fields)  # type: ignore[arg-type]
        variables = (("SUPERVISOR_PROCESS", "api"), ("SUPERVISOR_FENCING_TOKEN", "7"))
        self.children.perform(ac.Spawn(run=run, spec=spec, term=term, variables=variables))
        return run

    async def python(self, code: str, *arguments: str, **fields: object) -> RunId:
        run = self.spawn(sys.executable, "-c", code, *arguments, **fields)  # type: ignore[arg-type]
        await self.expect(ev.Spawned, run=run)
        return run

    def probe(self, run: RunId, probe: ProbeSpec, purpose: str = "ready") -> None:
        self.children.perform(ac.StartProbe(run=run, process=API, purpose=purpose, probe=probe))

    async def end(self, run: RunId) -> None:
        self.children.perform(ac.KillRun(run=run))
        await self.expect(ev.Emptied, run=run)


@asynccontextmanager
async def open_shop(state_dir: Path) -> AsyncIterator[Shop]:
    shop = Shop(state_dir)
    tasks = [asyncio.create_task(shop.link.run()), asyncio.create_task(shop.children.probes.run())]
    try:
        yield shop
    finally:
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        await shop.link.close()
        await tasks[0]
        await shop.output.close()
    wait_dead(shop.guardian)


@pytest_asyncio.fixture
async def shop(containment: str, tmp_path: Path) -> AsyncIterator[Shop]:  # noqa: F811 # the fixture, not the function
    async with open_shop(tmp_path) as opened:
        yield opened


# --- sd_notify -------------------------------------------------------------------------------------------------------


async def test_ready_and_status(shop: Shop) -> None:
    run = await shop.python(SAY + "say('STATUS=warm', 'READY=1'); time.sleep(1000)", ready=NOTIFY)
    shop.probe(run, NOTIFY)
    assert await shop.expect(ev.ProbeSucceeded) == ev.ProbeSucceeded(run=run, purpose="ready")
    assert await shop.expect(ev.Notified) == ev.Notified(run=run, status="warm")
    assert shop.warnings == []


async def test_what_was_said_before_anybody_asked_is_not_lost(shop: Shop) -> None:
    code = SAY + "say('READY=1'); say('EXTEND_TIMEOUT_USEC=2500000'); time.sleep(1000)"
    run = await shop.python(code, ready=NOTIFY)
    assert await shop.expect(ev.Notified) == ev.Notified(run=run, extend_seconds=2.5)
    shop.probe(run, NOTIFY)
    await shop.expect(ev.ProbeSucceeded)
    before = len(shop.news)
    shop.probe(run, NOTIFY)  # as after a reload
    await shop.expect(ev.ProbeSucceeded, after=before)


async def test_a_watchdog_is_fed_missed_and_fed_again(shop: Shop) -> None:
    code = SAY + (
        "assert os.environ['WATCHDOG_USEC'] == '300000' and 'WATCHDOG_PID' not in os.environ\n"
        "for line in sys.stdin or [1]: pass\n"
        "while True:\n"
        "    if not os.path.exists(sys.argv[1]): say('WATCHDOG=1')\n"
        "    time.sleep(0.05)\n"
    )
    silent = Path(os.environ.get("TMPDIR", "/tmp")) / f"silent-{os.getpid()}"
    silent.unlink(missing_ok=True)
    try:
        run = await shop.python(code, str(silent), health=watchdog(0.3))
        shop.probe(run, watchdog(0.3), "health")
        assert await shop.expect(ev.ProbeSucceeded) == ev.ProbeSucceeded(run=run, purpose="health")
        before = len(shop.news)
        silent.touch()
        failed = await shop.expect(ev.ProbeFailed, after=before)
        assert failed.detail == "no sign of life (WATCHDOG=1) for 0.3 s"
        before = len(shop.news)
        silent.unlink()
        await shop.expect(ev.ProbeSucceeded, after=before)
    finally:
        silent.unlink(missing_ok=True)


async def test_a_process_reports_its_own_failure(shop: Shop) -> None:
    run = await shop.python(SAY + "time.sleep(0.1); say('WATCHDOG=trigger'); time.sleep(1000)", health=watchdog(1000))
    shop.probe(run, watchdog(1000), "health")
    assert (await shop.expect(ev.ProbeFailed)).detail == "the process reports its own failure (WATCHDOG=trigger)"


async def test_a_grandchild_may_speak(shop: Shop) -> None:
    code = SAY + "os.fork() and os.wait()\nif os.fork() == 0:\n os.setsid()\n say('READY=1')\ntime.sleep(1000)"
    run = await shop.python(code, ready=NOTIFY)
    shop.probe(run, NOTIFY)
    await shop.expect(ev.ProbeSucceeded)


@pytest.mark.skipif(shutil.which("systemd-notify") is None, reason="systemd-notify is not installed")
async def test_systemd_notify_with_its_barrier(shop: Shop, tmp_path: Path) -> None:
    script = f"systemd-notify --ready --status=up && touch {tmp_path}/passed; sleep 1000"
    run = shop.spawn("sh", "-c", script, ready=NOTIFY)
    await shop.expect(ev.Spawned)
    shop.probe(run, NOTIFY)
    await shop.expect(ev.ProbeSucceeded)
    assert (await shop.expect(ev.Notified)).status == "up"
    await until((tmp_path / "passed").exists)  # the barrier was let go


def address_of(shop: Shop, run: RunId) -> str:
    return "\0" + shop.children.notify._ears[run].name


async def test_a_stranger_is_refused_counted_and_mentioned_once(shop: Shop) -> None:
    run = await shop.python("import time; time.sleep(1000)", ready=NOTIFY)
    other = await shop.python("import time; time.sleep(1000)", ready=NOTIFY)
    for each in (run, other):
        shop.probe(each, NOTIFY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        for _ in range(3):
            stranger.sendto(b"READY=1\nMAINPID=1", address_of(shop, run))
    code = SAY + f"s.sendto(b'READY=1', {address_of(shop, run)!r}); say('READY=1'); time.sleep(1000)"
    neighbour = await shop.python(code, ready=NOTIFY)
    shop.probe(neighbour, NOTIFY)
    # Each socket is read on its own, so what the neighbour says of itself shows only that it has spoken.
    assert (await shop.expect(ev.ProbeSucceeded)).run == neighbour
    await until(lambda: shop.children.notify.refused == 4)
    assert [event.run for event in shop.news if isinstance(event, ev.ProbeSucceeded)] == [neighbour]
    (warning,) = shop.warnings
    assert "billing/api: a notification was refused" in warning


async def test_a_socket_lives_as_long_as_its_run(shop: Shop) -> None:
    await shop.end(await shop.python("import time; time.sleep(1000)"))  # what reads the first one stays for all
    before = len(os.listdir("/proc/self/fd"))
    run = await shop.python("import time; time.sleep(1000)", ready=NOTIFY, health=watchdog(1000))
    shop.probe(run, NOTIFY)
    address = address_of(shop, run)
    await shop.end(run)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as late, pytest.raises(ConnectionRefusedError):
        late.sendto(b"READY=1", address)
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before)
    assert shop.children.notify._ears == {}


async def test_a_process_that_is_not_to_notify_has_no_socket(shop: Shop) -> None:
    run = shop.spawn("sh", "-c", 'test -z "$NOTIFY_SOCKET$WATCHDOG_USEC"')
    assert (await shop.expect(ev.Exited, run=run)).code == 0


async def test_descriptors_that_come_along_are_closed(shop: Shop) -> None:
    code = SAY + (
        "import array\n"
        "r, w = os.pipe()\n"
        "for n in (1, 4, 250):\n"
        "    fds = array.array('i', [w] * n)\n"
        "    s.sendmsg([b'STATUS=x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)], 0, '\\0' + os.environ['NOTIFY_SOCKET'][1:])\n"
        "os.close(w)\n"
        "assert os.read(r, 1) == b''\n"  # the end: nobody holds it any more
        "say('READY=1')\n"
        "time.sleep(1000)\n"
    )
    await shop.end(await shop.python("import time; time.sleep(1000)"))  # what reads the first one stays for all
    before = len(os.listdir("/proc/self/fd"))
    run = await shop.python(code, ready=NOTIFY)
    shop.probe(run, NOTIFY)
    await shop.expect(ev.ProbeSucceeded)
    await shop.end(run)
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_one_who_floods_waits_and_everything_else_goes_on(shop: Shop) -> None:
    flood = SAY + "while True: say('STATUS=' + 'x' * 3000, 'WATCHDOG=1')"
    loud = await shop.python(flood, health=watchdog(1000))
    shop.probe(loud, watchdog(1000), "health")
    await shop.expect(ev.ProbeSucceeded)
    quiet = await shop.python(SAY + "say('READY=1'); time.sleep(1000)", ready=NOTIFY)
    before = len(shop.news)
    shop.probe(quiet, NOTIFY)
    await shop.expect(ev.ProbeSucceeded, run=quiet, after=before)
    status = (await shop.expect(ev.Notified, run=loud)).status
    assert status == "x" * 200
    assert len(shop.news) < 100, "a flood is not passed on"


# --- output ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["stdout", "stderr"])
async def test_a_line_that_matches(shop: Shop, where: str) -> None:
    probe = ProbeSpec(kind=ProbeKind.LOG, pattern=r"^listening on .*:\d+$")
    code = f"import sys, time; print('starting\\nlistening on [::]:80', file=sys.{where}, flush=True); time.sleep(1000)"
    run = await shop.python(code, ready=probe)
    shop.probe(run, probe)
    assert await shop.expect(ev.ProbeSucceeded) == ev.ProbeSucceeded(run=run, purpose="ready")


async def test_a_pattern_that_came_by_a_reload_sees_what_was_said(shop: Shop) -> None:
    code = "import time; print('up and running', flush=True); time.sleep(1000)"
    run = await shop.python(code)
    await until(lambda: shop.children._logs.tail(API))
    shop.probe(run, ProbeSpec(kind=ProbeKind.LOG, pattern="running"))
    await shop.expect(ev.ProbeSucceeded)


# --- commands of probes ----------------------------------------------------------------------------------------------

STUBBORN = "import os,signal,sys,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(1000)"


def stubborn(path: Path) -> ProbeSpec:
    """One that writes its pid and does not end."""
    return execs(sys.executable, "-c", STUBBORN, str(path))


async def led(shop: Shop, *, seconds: float = 60.0) -> RunId:
    """A leader process."""
    shop.link.arm(arm(BILLING, LEASE, now(seconds), 0.0))
    await shop.expect(ev.Armed)
    return await shop.python("import time; time.sleep(1000)", term=BILLING)


async def test_a_probes_command_knows_the_term_and_ends_with_the_run(shop: Shop, tmp_path: Path) -> None:
    run = await led(shop)
    shop.probe(run, execs("sh", "-c", 'test "$SUPERVISOR_FENCING_TOKEN" = 7'))
    await shop.expect(ev.ProbeSucceeded)
    shop.probe(run, stubborn(tmp_path / "pid"))
    pid = await written_pid(tmp_path / "pid")
    await shop.end(run)
    await until(lambda: dead(pid))


async def test_a_term_is_not_disarmed_over_a_probes_command(shop: Shop, tmp_path: Path) -> None:
    run = await led(shop)
    shop.probe(run, stubborn(tmp_path / "pid"))
    pid = await written_pid(tmp_path / "pid")

    def core(event: ev.Event) -> None:
        if isinstance(event, ev.Exited):
            shop.children.perform(ac.StopProbe(run=run, purpose="ready"))
        elif isinstance(event, ev.Emptied) and event.run == run:
            shop.children.perform(ac.Disarm(term=BILLING))

    shop.answer = core
    shop.children.perform(ac.KillRun(run=run))
    while not (answers := [e for e in shop.news if isinstance(e, ev.Disarmed | ev.DisarmRefused)]):
        await asyncio.sleep(0.01)
    assert isinstance(answers[0], ev.Disarmed), "no round is lost to a command that was killed already"
    assert dead(pid)


async def test_kill_by_strikes_a_probes_command_too(shop: Shop, tmp_path: Path) -> None:
    run = await led(shop, seconds=2.0)
    shop.probe(run, stubborn(tmp_path / "pid"))
    pid = await written_pid(tmp_path / "pid")
    await shop.expect(ev.KillByStruck)
    await until(lambda: dead(pid))
    await shop.expect(ev.Emptied, run=run)


async def test_a_command_of_a_probe_is_not_started_where_its_process_must_not_be(shop: Shop) -> None:
    shop.link.arm(arm(BILLING, LEASE, now(60.0), 0.0))
    await shop.expect(ev.Armed)
    run = shop.spawn("true", term=BILLING)
    await shop.expect(ev.Emptied, run=run)
    shop.children.perform(ac.Disarm(term=BILLING))
    await shop.expect(ev.Disarmed)
    shop.children._runs[run] = ac.Spawn(
        run=run, spec=ProcessSpec(id=API, role=Role.LEADER, command=("true",)), term=BILLING, variables=()
    )  # a probe that was late
    shop.probe(run, execs("true"))
    assert (await shop.expect(ev.ProbeFailed)).detail.startswith("cannot be started: not started: term billing#7")


async def test_a_probes_command_ends_at_its_timeout_with_all_it_left_behind(shop: Shop, tmp_path: Path) -> None:
    run = await led(shop)
    code = f"import os,sys,time\nif os.fork() == 0:\n os.setsid()\n{STUBBORN}\ntime.sleep(1000)"
    shop.probe(run, execs(sys.executable, "-c", code, str(tmp_path / "pid"), timeout_seconds=1.0))
    pid = await written_pid(tmp_path / "pid")
    assert (await shop.expect(ev.ProbeFailed)).detail == "timed out after 1 s"
    await until(lambda: dead(pid))
