"""The few system calls that Python 3.11 does not offer, through ctypes. Standard library only.

Promises: a call that fails raises OSError with the kernel's reason. Does not: choose anything.
"""

import ctypes
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
MCL_CURRENT = 1
MCL_FUTURE = 2
MCL_ONFAULT = 4
CLOCK_BOOTTIME = 7
TFD_TIMER_ABSTIME = 1
_TIMERSPEC = struct.Struct("qqqq")


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process."""
    _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def set_name(name: str) -> None:
    """The name that ps and /proc/PID/comm show, at most 15 bytes."""
    _checked(_libc.prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0))


def lock_memory() -> None:
    """Never swap out what this process has touched. Without ONFAULT it would pin every page of every library: 14 MiB."""
    _checked(_libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))


def timer() -> int:
    """A timerfd on CLOCK_BOOTTIME.

    Why not poll's own timeout: that counts CLOCK_MONOTONIC, which stops while the machine is suspended. After a resume
    it would strike late by as long as the machine slept; this one is due the moment the machine wakes.
    """
    return _checked(_libc.timerfd_create(CLOCK_BOOTTIME, os.O_NONBLOCK | os.O_CLOEXEC))


def set_timer(fd: int, at: float | None) -> None:
    """Make the timer readable at this instant on CLOCK_BOOTTIME; None disarms it."""
    nanoseconds = 0 if at is None else max(1, int(at * 1e9))
    spec = _TIMERSPEC.pack(0, 0, nanoseconds // 10**9, nanoseconds % 10**9)
    _checked(_libc.timerfd_settime(fd, TFD_TIMER_ABSTIME, spec, None))
