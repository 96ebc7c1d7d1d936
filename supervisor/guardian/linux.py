"""The system calls that Python 3.11 does not offer, and what makes this process hard to delay.

Promises: a call that fails raises OSError with the kernel's reason; what is best effort says in words what it got.
Does not: run anywhere but on Linux, or decide when to use any of it.
"""

import ctypes
import os
import resource
import signal
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from supervisor.guardian.record import record

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc_locked: Final = ctypes.PyDLL(None, use_errno=True)

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36
_MCL_CURRENT_FUTURE_ON_FAULT: Final = 1 | 2 | 4  # without ONFAULT every page of every library is pinned: 14 MiB
_TFD_TIMER_ABSTIME: Final = 1
_TIMERSPEC: Final = struct.Struct("llll")
_SYS_CLONE3: Final = 435  # the same on every architecture, as is
_SYS_CLOSE_RANGE: Final = 436
_HIGHEST_DESCRIPTOR: Final = 0x7FFFFFFF
_CLONE_INTO_CGROUP: Final = 0x200000000
_CLONE_ARGS: Final = struct.Struct("11Q")
"""struct clone_args up to ``cgroup`` (linux/sched.h, CLONE_ARGS_SIZE_VER2)."""
_SCHED_RESET_ON_FORK: Final = 0x40000000
_LOWEST_OOM_SCORE_ADJ: Final = -999
"""-1000 would exempt us altogether, even when it is we who leak."""


def boottime() -> float:
    """Seconds on CLOCK_BOOTTIME, the clock of every deadline: it counts while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _prctl(option: int, value: int) -> None:
    _checked(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def become_subreaper() -> None:
    """Orphaned descendants become our children, so that none can leave our sight by double fork."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """SIGKILL us when the parent's thread ends. The kernel forgets it when credentials change: call it after that.

    Raises ProcessLookupError when the parent was gone before this took hold.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError("the guardian died")


def set_name(name: str) -> None:
    """The name in ps and /proc/PID/comm; 15 bytes of it."""
    _checked(_libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0))


def fork_into(cgroup_fd: int) -> int:
    """fork(2), and the child is born in this cgroup (Linux 5.7): 0 in the child, its pid in the parent. Raises OSError.

    A process that moves itself waits for the kernel's grace period, ten milliseconds of every failover as a rule.
    Only for a process of one thread, whose child execs soon: Python's own duties around a fork are left out.
    """
    flags_and_the_rest = (_CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, cgroup_fd)
    arguments = ctypes.create_string_buffer(_CLONE_ARGS.pack(*flags_and_the_rest), _CLONE_ARGS.size)
    # PyDLL: Python's lock is kept, so that the child finds it as it was.
    return _checked(_libc_locked.syscall(_SYS_CLONE3, arguments, ctypes.c_size_t(_CLONE_ARGS.size)))


def close_all_but(*kept: int) -> bool:
    """Close every descriptor above 2 but these. False when the kernel does not know how (before Linux 5.9).

    To list /proc/self/fd instead takes milliseconds where there are thousands, in each of as many children.
    """
    last = 2
    for fd in (*sorted(kept), _HIGHEST_DESCRIPTOR + 1):
        between = ctypes.c_uint(last + 1), ctypes.c_uint(fd - 1)
        if fd > last + 1 and _libc_locked.syscall(_SYS_CLOSE_RANGE, *between, ctypes.c_uint(0)) < 0:
            return False
        last = fd
    return True


class BootTimer:
    """A timerfd on CLOCK_BOOTTIME.

    Why not poll's timeout: it counts CLOCK_MONOTONIC, which stands still while the machine is suspended. A kill-by that
    passed in the meantime would be struck late by the rest of that timeout; this timer has expired when we wake.
    """

    def __init__(self) -> None:
        self._fd = _checked(_libc.timerfd_create(time.CLOCK_BOOTTIME, os.O_CLOEXEC | os.O_NONBLOCK))
        self._at: float | None = None

    def fileno(self) -> int:
        """For poll: readable when the instant has come."""
        return self._fd

    def set(self, at: float | None) -> None:
        """Become readable at this instant, at once when it has passed, never for None."""
        if at == self._at:
            return
        self._at = at
        # Zero would switch it off.
        seconds, nanoseconds = (0, 0) if at is None else divmod(max(1, round(at * 1e9)), 1_000_000_000)
        _checked(_libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, _TIMERSPEC.pack(0, 0, seconds, nanoseconds), None))

    def drain(self) -> None:
        """Take note that it expired; ``set`` it again for the next."""
        self._at = None
        with suppress(BlockingIOError):
            os.read(self._fd, 8)


@record
class Inherited:
    """How this process was before ``protect``: children are to be like that, not like the guardian."""

    policy: int
    priority: int
    nice: int
    oom_score_adj: str
    nofile: tuple[int, int]
    signals: tuple[int, ...]
    """Those whose handling exec would not reset by itself, or that we handle."""
    parent: int
    """The daemon."""

    @staticmethod
    def read() -> "Inherited":
        """As of now. Call it before ``protect``."""
        return Inherited(
            policy=os.sched_getscheduler(0),
            priority=os.sched_getparam(0).sched_priority,
            nice=os.getpriority(os.PRIO_PROCESS, 0),
            oom_score_adj=_read_text("/proc/self/oom_score_adj"),
            nofile=resource.getrlimit(resource.RLIMIT_NOFILE),
            signals=tuple(s for s in signal.valid_signals() if signal.getsignal(s) != signal.SIG_DFL),
            parent=os.getppid(),
        )

    def restore(self, handled: Iterable[int]) -> None:
        """In a forked child: undo ``protect``, and every signal disposition. Memory locks do not survive fork.

        The limit of descriptors is left: it is to follow (``nofile``) when ours are closed.
        """
        for number in {*self.signals, *handled}:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        _write_text("/proc/self/oom_score_adj", self.oom_score_adj)
        # SCHED_RESET_ON_FORK made us an ordinary process of nice 0 at most; the rest needs a privilege or is not needed.
        with suppress(OSError):
            os.sched_setscheduler(0, self.policy, os.sched_param(self.priority))
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, self.nice)


def protect() -> list[str]:
    """Neither swapped, nor starved, nor the OOM killer's first choice, as far as allowed. Returns what was achieved."""
    return [_lock_memory(), _run_first(), _avoid_oom_killer(), _raise_descriptor_limit()]


def _lock_memory() -> str:
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != resource.RLIM_INFINITY and not _has_capability(14):  # CAP_IPC_LOCK
        # With MCL_FUTURE under a limit, some later malloc would fail: worse than to be swapped.
        return f"memory not locked: RLIMIT_MEMLOCK is {soft} bytes (systemd: LimitMEMLOCK=infinity)"
    try:
        _checked(_libc.mlockall(_MCL_CURRENT_FUTURE_ON_FAULT))
    except OSError as error:
        return f"memory not locked: {error.strerror}"
    return "memory locked"


def _run_first() -> str:
    try:
        os.sched_setscheduler(0, os.SCHED_RR | _SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError as refused:
        reason = refused.strerror
    else:
        return "scheduled in real time (SCHED_RR 1)"
    for nice in (-20, -10, -5):
        try:
            os.sched_setscheduler(0, os.SCHED_OTHER | _SCHED_RESET_ON_FORK, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        except OSError:
            continue
        return f"nice {nice}; not scheduled in real time: {reason}"
    return f"ordinary priority: {reason} (systemd: LimitRTPRIO=1)"


def _avoid_oom_killer() -> str:
    before = _read_text("/proc/self/oom_score_adj")
    if _write_text("/proc/self/oom_score_adj", str(_LOWEST_OOM_SCORE_ADJ)):
        return f"oom_score_adj {_LOWEST_OOM_SCORE_ADJ}"
    # Without the privilege one may still go back to the lowest value an ancestor was given, which is 0 as a rule.
    if before.lstrip("-").isdigit() and int(before) > 0 and _write_text("/proc/self/oom_score_adj", "0"):
        return "oom_score_adj 0; lower is not permitted"
    return f"oom_score_adj {before}; lower is not permitted (systemd: OOMScoreAdjust=-999)"


def _raise_descriptor_limit() -> str:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return f"{hard} descriptors (was {soft})" if hard != soft else f"{hard} descriptors"


def _has_capability(number: int) -> bool:
    for line in _read_text("/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # pathlib costs the child a millisecond
            return file.read().strip()
    except OSError:
        return ""


def _write_text(path: str, text: str) -> bool:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError:
        return False
    return True
