"""fork and exec of one child, from a single-threaded process. Standard library only.

Promises: the parent never waits: whether exec succeeded is learnt from a close-on-exec pipe that the guardian polls.
The child is in its containment before it execs, in a session of its own, dies with the guardian (PR_SET_PDEATHSIG; it
fires when the forking *thread* ends, which is why the guardian has one only), and has no descriptor but 0, 1 and 2.
"""

import contextlib
import os
import resource
import signal
import struct

from supervisor.guardian import linux
from supervisor.guardian.protocol import Spawn

_STAGES = ("enter its containment", "set its limits", "become its user", "enter its directory", "execute")
_REPORT = struct.Struct("ii")


def fork_exec(
    request: Spawn, stdout: int, stderr: int, join_path: str | None, inherited: "Inherited"
) -> tuple[int, int]:
    """Start the child; returns its pid and the pipe that ends silently on exec, or brings ``failure``."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    guardian = os.getpid()
    pid = os.fork()
    if pid:
        os.close(write_end)
        os.set_blocking(read_end, False)
        return pid, read_end
    stage = 0
    try:
        os.setsid()
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guardian:
            os._exit(127)  # it died before the line above took hold
        inherited.restore()
        if join_path is not None:
            fd = os.open(join_path, os.O_WRONLY)
            os.write(fd, b"0")
            os.close(fd)
        for stage in range(1, len(_STAGES)):
            _STEPS[stage](request, stdout, stderr)
    except BaseException as error:  # noqa: BLE001 # whatever it is, this is the child: report it and be gone
        number = error.errno if isinstance(error, OSError) and error.errno else 0
        with contextlib.suppress(OSError):
            os.write(write_end, _REPORT.pack(stage, number))
    os._exit(127)


def failure(report: bytes, request: Spawn) -> str:
    """What a report from the pipe says, in words."""
    stage, number = _REPORT.unpack(report[: _REPORT.size])
    reason = os.strerror(number) if number else "refused"
    what = request.argv[0] if stage == len(_STAGES) - 1 else request.directory if stage == len(_STAGES) - 2 else ""
    return f"cannot {_STAGES[stage]}{f' ({what})' if what else ''}: {reason}"


class Inherited:
    """What the guardian changes for itself and its children must not keep: scheduling, priority, oom score, signals."""

    def __init__(self) -> None:
        self._oom = _read_oom()
        self._nice = os.getpriority(os.PRIO_PROCESS, 0)

    def restore(self) -> None:
        """In the child: be scheduled, killed and signalled as the daemon would be."""
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, self._nice)
        _write_oom(self._oom)
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())


def protect() -> list[str]:
    """Keep the guardian from being swapped out, starved or chosen by the OOM killer; returns what could not be had."""
    notes = []
    try:
        linux.lock_memory()
    except OSError as error:
        notes.append(f"memory not locked ({error.strerror})")
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError as error:
        notes.append(f"not scheduled in real time ({error.strerror})")
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -20)
    if not _write_oom("-999"):
        notes.append("not protected from the OOM killer")
    return notes


def _read_oom() -> str:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj") as file:  # noqa: PTH123 # no pathlib in a child
        return file.read().strip()
    return "0"


def _write_oom(value: str) -> bool:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 # as above
            file.write(value)
    except OSError:
        return False
    return True


def _limits(request: Spawn, stdout: int, stderr: int) -> None:
    nothing = os.open("/dev/null", os.O_RDONLY)
    # Out of the way first: any of them may be 0, 1 or 2 already.
    high = [os.dup2(fd, 100 + i, inheritable=False) for i, fd in enumerate((nothing, stdout, stderr))]
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=True)
    for number, value, _wanted_hard in request.rlimits:
        _, hard = resource.getrlimit(number)
        wanted = resource.RLIM_INFINITY if value < 0 else value
        raised = os.geteuid() == 0 or hard == resource.RLIM_INFINITY
        resource.setrlimit(number, (wanted, wanted if raised else hard))
    os.umask(0o022 if request.umask is None else request.umask)


def _user(request: Spawn, _stdout: int, _stderr: int) -> None:
    if request.groups is not None and os.geteuid() == 0:
        os.setgroups(list(request.groups))
    if request.gid is not None:
        os.setresgid(request.gid, request.gid, request.gid)
    if request.uid is not None:
        os.setresuid(request.uid, request.uid, request.uid)
        # A change of user clears it (prctl(2)).
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def _directory(request: Spawn, _stdout: int, _stderr: int) -> None:
    os.chdir(request.directory or "/")


def _execute(request: Spawn, _stdout: int, _stderr: int) -> None:
    os.execvpe(request.argv[0], request.argv, dict(request.environment))  # noqa: S606 # the product


_STEPS = (_limits, _limits, _user, _directory, _execute)
