"""What few children need between fork and exec: priorities, CPUs, capabilities, a /tmp of their own, listening sockets.

Promises: ``prepare`` does in the guardian whatever could be refused without a child, and all that needs an import; the
child makes system calls only. Whatever the kernel refuses is a SetupError that names the key of the file, and ``explain``
says what to do. What a key does not ask for is left as it was.
Does not: get imported before the first order that asks for any of it; see ``children``.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable
from typing import Final

from supervisor.guardian.record import record

_libc: Final = ctypes.CDLL(None, use_errno=True)

_PR_SET_KEEPCAPS: Final = 8
_PR_CAPBSET_READ: Final = 23
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_AMBIENT_RAISE: Final = 2
_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITIES_VERSION: Final = 0x20080522
_IOPRIO_WHO_PROCESS: Final = 1
_IOPRIO_CLASS_SHIFT: Final = 13
_CLONE_NEWNS: Final = 0x00020000
_MS_NOSUID_NODEV: Final = 2 | 4
_MS_REC_SLAVE: Final = 0x4000 | 0x80000
_SYS_IOPRIO_SET: Final = {
    "x86_64": 251, "aarch64": 30, "riscv64": 30, "loongarch64": 30, "i686": 289, "i386": 289,
    "armv7l": 314, "armv6l": 314, "ppc64le": 273, "ppc64": 273, "s390x": 282,
}  # fmt: skip
"""glibc has no function for it."""


class SetupError(OSError):
    """A key of the file that cannot have its effect; ``stage`` names it."""

    def __init__(self, key: str, number: int, text: str) -> None:
        super().__init__(number, text)
        self.text = f"{key}: {text}"
        self.stage = f"{key}:"
        self._detail = text

    def __str__(self) -> str:
        return self._detail


@record
class Extras:
    """The mapping that came with the order."""

    nice: int | None = None
    scheduling: int | None = None
    """The policy's number."""
    ionice: list[int] | None = None
    """Class and level."""
    oom_score_adj: int | None = None
    cpu_affinity: list[int] | None = None
    capabilities: list[int] | None = None
    keep: bool = False
    """Those capabilities, and no others; False: all others."""
    no_new_privileges: bool = False
    private_tmp: bool = False
    cgroup: dict[str, str] | None = None
    """Files of its cgroup and what is written to them."""
    best_effort: bool = False
    """Of ``cgroup``: what cannot be written is left."""
    owner: str = ""
    """Whose the sockets are: they outlive the run."""
    sockets: list[dict[str, object]] | None = None


class Setup:
    """One child's extras, ready to be made true."""

    def __init__(self, extras: Extras) -> None:
        self.extras = extras
        self.sockets: tuple[int, ...] = ()
        """Descriptors that the child gets from 3 on."""
        self.names: tuple[str, ...] = ()
        """Of the sockets."""
        self._bounding = _bounding(extras)
        self._io_call = _SYS_IOPRIO_SET.get(os.uname().machine, -1)

    def before_user(self) -> None:
        """In the child, as whom the guardian runs as: what needs its privileges."""
        extras = self.extras
        if extras.oom_score_adj is not None:
            _try("oom_score_adj", lambda: _write("/proc/self/oom_score_adj", str(extras.oom_score_adj)))
        if extras.cpu_affinity is not None:
            _try("cpu_affinity", lambda: _run_on(set(extras.cpu_affinity or ())))
        if extras.scheduling is not None:
            policy = extras.scheduling
            _try("scheduling", lambda: os.sched_setscheduler(0, policy, os.sched_param(0)))
        if extras.nice is not None:
            nice = extras.nice
            _try("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, nice))
        if extras.ionice is not None:
            _try("ionice", self._set_io_priority)
        if extras.private_tmp:
            _try("private_tmp", _own_tmp)
        if extras.capabilities is not None:
            _try("capabilities", lambda: _prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL))
            _try("capabilities", self._bound)
            if extras.keep:
                _try("capabilities", lambda: _prctl(_PR_SET_KEEPCAPS, 1))

    def after_user(self) -> None:
        """In the child, as whom it will run."""
        extras = self.extras
        if extras.capabilities is not None:
            kept = extras.capabilities if extras.keep and os.geteuid() != 0 else None
            _try("capabilities", lambda: _set_capabilities(kept))
        if extras.no_new_privileges:
            _try("no_new_privileges", lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1))

    def place(self, *others: int) -> list[int]:
        """In the child: the sockets at 3, 4, ... The new descriptors of others that stay open, out of their way."""
        first_free = 3 + len(self.sockets)
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first_free) for fd in (*others, *self.sockets)]
        for target, source in enumerate(moved[len(others) :], 3):
            os.dup2(source, target, inheritable=True)
        return moved[: len(others)]

    def variables(self) -> dict[str, str]:
        """In the child: what tells it of the sockets (sd_listen_fds(3))."""
        if not self.sockets:
            return {}
        return {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(len(self.sockets)),
            "LISTEN_FDNAMES": ":".join(self.names),
        }

    def _bound(self) -> None:
        for number in self._bounding:
            if _prctl(_PR_CAPBSET_READ, number) == 1:
                _prctl(_PR_CAPBSET_DROP, number)

    def _set_io_priority(self) -> None:
        assert self.extras.ionice is not None
        io_class, level = self.extras.ionice
        if self._io_call < 0:
            raise OSError(errno.ENOSYS, f"not known for {os.uname().machine}")
        _checked(_libc.syscall(self._io_call, _IOPRIO_WHO_PROCESS, 0, io_class << _IOPRIO_CLASS_SHIFT | level))


def prepare(mapping: dict[str, object]) -> Setup:
    """The order's extras. Raises SetupError for what this version does not know."""
    try:
        return Setup(Extras(**mapping))  # type: ignore[arg-type] # written by our own daemon, of the same version
    except TypeError as error:
        raise SetupError("extras", 0, f"{error}: daemon and guardian differ; restart the supervisor") from None


REMEDIES: Final = {
    "nice": "a value below the supervisor's own needs root or CAP_SYS_NICE",
    "scheduling": "to leave it as it is, leave the key out",
    "ionice": "'realtime' needs root; 'best-effort' and 'idle' do not",
    "oom_score_adj": "a value below the supervisor's own needs root or CAP_SYS_RESOURCE",
    "cpu_affinity": "name CPUs that this machine has and that the supervisor's cpuset allows",
    "capabilities": "only a supervisor that runs as root can keep or drop any",
    "no_new_privileges": "this kernel does not have it",
    "private_tmp": "a mount namespace needs root (CAP_SYS_ADMIN), which some containers do not give",
    "groups": "only a supervisor that runs as root can set them",
}


def explain(stage: str, number: int, detail: str) -> str:
    """For people: which key cannot have its effect, why, and what to do."""
    key = stage.removesuffix(":")
    reason = os.strerror(number) if number and number != errno.EINVAL else detail or os.strerror(number)
    remedy = REMEDIES.get(key)
    return f"{key}: {reason}; {remedy}" if remedy else f"{key}: {detail}"


def _try(key: str, call: Callable[[], object]) -> None:
    try:
        call()
    except OSError as error:
        raise SetupError(key, error.errno or 0, error.strerror or str(error)) from None


def _bounding(extras: Extras) -> list[int]:
    """What is taken out of the bounding set."""
    if extras.capabilities is None:
        return []
    if not extras.keep:
        return extras.capabilities
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        last = int(file.read())
    return [number for number in range(last + 1) if number not in extras.capabilities]


def _set_capabilities(kept: list[int] | None) -> None:
    """``kept`` None: nothing is inheritable, so that the bounding set decides what exec leaves to root."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the low 32, then the high 32
    _checked(_libc.capget(header, data))
    mask = sum(1 << number for number in kept or ())
    for half in (0, 1):
        part = mask >> 32 * half & 0xFFFFFFFF
        if kept is not None:
            data[3 * half] = data[3 * half + 1] = part
        data[3 * half + 2] = part
    _checked(_libc.capset(header, data))
    for number in kept or ():
        _prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, number)


def _own_tmp() -> None:
    """In a mount namespace: what others mount later is still seen, what we mount is not seen by them."""
    _checked(_libc.unshare(_CLONE_NEWNS))
    _checked(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC_SLAVE), None))
    for place in (b"/tmp", b"/var/tmp"):  # it is these that are replaced
        try:
            _checked(_libc.mount(b"tmpfs", place, b"tmpfs", ctypes.c_ulong(_MS_NOSUID_NODEV), b"mode=1777"))
        except FileNotFoundError:
            continue


def _run_on(cpus: set[int]) -> None:
    os.sched_setaffinity(0, cpus)
    got = os.sched_getaffinity(0)
    if got != cpus:  # the kernel leaves out silently what there is not
        raise OSError(errno.EINVAL, f"it would run on {sorted(got)} only")


def _prctl(option: int, value: int, more: int = 0) -> int:
    return _checked(
        _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(more), ctypes.c_ulong(0), ctypes.c_ulong(0))
    )


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
