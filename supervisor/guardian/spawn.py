"""fork and exec of one child.

Promises: the guardian never waits for it: whether exec succeeded comes through a close-on-exec pipe. What is executed is
in a session and containment of its own, dies with the guardian, and has descriptors 0, 1 and 2 only, no inherited
signal disposition, and the scheduling, OOM score and limits that the guardian had before it protected itself.
Does not: resolve names of users, or expand anything.

Forking here is safe because this process has one thread and no gRPC; PR_SET_PDEATHSIG, too, counts on the one thread.
"""

import errno
import os
import resource
import signal
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NoReturn

from supervisor.guardian import cgroup
from supervisor.guardian.linux import Inherited, close_all_but, die_with_parent, fork_into
from supervisor.guardian.protocol import Spawn
from supervisor.guardian.record import record

if TYPE_CHECKING:
    from supervisor.guardian.setup import Setup

HANDLED_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGCHLD)
"""For which the guardian installs handlers."""
_REPORT_BYTES: Final = 4096
_NOT_SUPPORTED: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.E2BIG, errno.EOPNOTSUPP})
_born_inside: Final = {True}
"""Emptied for good when the kernel refuses."""
_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ALL_SIGNALS: Final = signal.valid_signals()
OPEN: Final = b"o"
"""What lets a held child go on."""
_EXEC: Final = b"x"
"""Written just before exec: the end of the pipe means success after it, and a premature death without it."""


@record
class Failure:
    """Why a child was not executed."""

    stage: str
    number: int
    message: str


@record
class Forked:
    """A child on its way to exec."""

    pid: int
    report_fd: int
    """Non-blocking; give what it brings, up to its end, to ``read_report``."""
    gate_fd: int
    """Of a held child: write ``OPEN`` and it goes on to exec, close it and it ends. -1: it was not held."""


def fork_exec(
    order: Spawn,
    *,
    marks: Mapping[str, str],
    stdout: int,
    stderr: int,
    stdin: int = -1,
    procs: str | None,
    inherited: Inherited,
    setup: "Setup | None" = None,
) -> Forked:
    """Fork. OSError when the system has no room for one more process or descriptor."""
    report_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        wait_fd, gate_fd = os.pipe2(os.O_CLOEXEC) if order.held else (-1, -1)
    except OSError:
        os.close(report_fd)
        os.close(write_fd)
        raise
    guardian = os.getpid()
    # Until the child has the default dispositions no signal may reach it: a handler of ours would swallow it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
    try:
        pid, inside = _fork(procs)
        if pid == 0:
            fds = (write_fd, wait_fd)
            _child(order, marks, (stdin, stdout, stderr), None if inside else procs, inherited, guardian, fds, setup)
    except OSError:
        os.close(report_fd)
        if gate_fd >= 0:
            os.close(gate_fd)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(write_fd)
        if wait_fd >= 0:
            os.close(wait_fd)
    return Forked(pid=pid, report_fd=report_fd, gate_fd=gate_fd)


def _fork(procs: str | None) -> tuple[int, bool]:
    """As os.fork; and whether the child is in its cgroup already. An old kernel, or a seccomp filter, may not allow that."""
    if procs is not None and _born_inside:
        fd = os.open(os.path.dirname(procs), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return fork_into(fd), True
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            _born_inside.clear()
        finally:
            os.close(fd)
    return os.fork(), False


def read_report(report: bytes, order: Spawn) -> Failure | None:
    """What the whole report means; None is success."""
    if report == _EXEC:
        return None
    stage, _, rest = report.removeprefix(_EXEC).decode(errors="replace").partition("\0")
    number, _, detail = rest.partition("\0")
    if not stage:
        return Failure(stage="start", number=0, message="killed before it was executed")
    return Failure(stage=stage, number=int(number), message=_explain(stage, int(number), detail, order))


def _child(
    order: Spawn,
    marks: Mapping[str, str],
    output: tuple[int, int, int],
    procs: str | None,
    inherited: Inherited,
    guardian: int,
    fds: tuple[int, int],
    setup: "Setup | None",
) -> NoReturn:
    report_fd, wait_fd = fds
    stage = "containment"
    try:
        os.setsid()
        die_with_parent(guardian)
        if procs is not None:
            cgroup.join(procs)
        stage = "limits"
        inherited.restore(HANDLED_SIGNALS)
        nofile = inherited.nofile
        for number, soft, hard in order.rlimits:
            if number == resource.RLIMIT_NOFILE:
                nofile = soft, hard
                continue
            resource.setrlimit(number, (soft, hard))
        _make_room(nofile)
        if order.umask is not None:
            os.umask(order.umask)
        stage = "user"
        if setup is not None:
            setup.before_user()
        _become(order)
        if setup is not None:
            setup.after_user()
        die_with_parent(guardian)  # again: the kernel forgets it when credentials change (prctl(2))
        stage = "directory"
        if order.directory:
            os.chdir(order.directory)
        stage = "output"
        report_fd, wait_fd = _redirect(output, (report_fd, wait_fd), setup)
        stage = "limits"
        resource.setrlimit(resource.RLIMIT_NOFILE, nofile)
        stage = "exec"
        given = {} if setup is None else setup.variables()
        _execute(order.argv, {**dict(order.environment), **given, **marks}, report_fd, wait_fd)
    except BaseException as error:  # noqa: BLE001 # whatever it is: this is the child, and it must not live on as a guardian
        number = error.errno or 0 if isinstance(error, OSError) else 0
        stage = getattr(error, "stage", stage)  # a SetupError names its key
        text = f"{stage}\0{number}\0{error}".encode(errors="replace")[:_REPORT_BYTES]
        try:
            os.write(report_fd, text)
        finally:
            os._exit(127)
    os._exit(127)


def _make_room(nofile: tuple[int, int]) -> None:
    """A higher hard limit while we may still raise it; the limit itself follows when the guardian's descriptors are closed.

    They are as many as it has runs: with a limit below that, nothing more could be opened on the way to exec.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    infinite = resource.RLIM_INFINITY
    if hard != infinite and (nofile[1] == infinite or nofile[1] > hard):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, nofile[1]))


def _become(order: Spawn) -> None:
    if order.groups is not None:
        os.setgroups(order.groups)
    if order.gid is not None:
        os.setresgid(order.gid, order.gid, order.gid)
    if order.uid is not None:
        os.setresuid(order.uid, order.uid, order.uid)


def _redirect(output: tuple[int, int, int], kept: tuple[int, int], setup: "Setup | None") -> tuple[int, int]:
    """0, 1, 2, passed sockets and what is kept, whose descriptors are returned; everything else is closed.

    The guardian sees to it that all of ours are above 2.
    """
    stdin, *others = output
    given = stdin if stdin >= 0 else os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    for target, source in enumerate((given, *others)):
        os.dup2(source, target, inheritable=True)
    last = 2
    if setup is not None and setup.sockets:
        kept = setup.place(*kept)
        last += len(setup.sockets)
    if close_all_but(*range(3, last + 1), *(fd for fd in kept if fd > last)):
        return kept
    for name in os.listdir("/proc/self/fd"):  # the listing's own descriptor is among them, closed by now
        if int(name) > last and int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                continue
    return kept


def _execute(argv: tuple[str, ...], environment: Mapping[str, str], report_fd: int, wait_fd: int) -> NoReturn:
    """Look the program up on the child's own PATH, as execvpe(3) does, but never hand a script to a shell."""
    refused: OSError | None = None
    candidates = list(_candidates(argv[0], environment.get("PATH", _DEFAULT_PATH)))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if wait_fd >= 0 and os.read(wait_fd, 1) != OPEN:
        os._exit(127)  # the gate was closed, or its keeper died
    os.write(report_fd, _EXEC)
    for path in candidates:
        try:
            os.execve(path, argv, environment)  # noqa: S606 # to run what the file says is the product
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            refused = error  # there may be a better one further on; if not, this is the reason
    raise refused or FileNotFoundError(errno.ENOENT, "not found")


def _candidates(program: str, path: str) -> Iterator[str]:
    if "/" in program:
        yield program
    else:
        for directory in path.split(os.pathsep):
            yield f"{directory or '.'}/{program}"


def _explain(stage: str, number: int, detail: str, order: Spawn) -> str:
    """For people: what was tried, why it failed, what to do."""
    reason = os.strerror(number) if number else detail
    program = order.argv[0] if order.argv else ""
    match stage:
        case "exec" if number == errno.ENOENT and "/" not in program:
            path = dict(order.environment).get("PATH", _DEFAULT_PATH)
            return f"command not found: {program} is in no directory of PATH={path}"
        case "exec" if number == errno.ENOENT and os.path.lexists(program):
            return f"cannot execute {program}: its interpreter (the path after #!, or the ELF loader) does not exist"
        case "exec" if number == errno.ENOENT:
            return f"command not found: {program} does not exist"
        case "exec" if number == errno.EACCES:
            return (
                f"cannot execute {program}: {reason}; it must be an executable file that the process's user may reach"
            )
        case "exec" if number == errno.ENOEXEC:
            return f"cannot execute {program}: neither a binary of this machine nor a script that begins with #!"
        case "exec":
            return f"cannot execute {program}: {reason}"
        case "directory":
            return f"cannot enter directory {order.directory}: {reason}"
        case "user":
            remedy = "only a supervisor that runs as root can run processes as another user or with other groups"
            who = f"uid {order.uid} gid {order.gid} groups {order.groups}"
            return f"cannot become {who}: {reason}; {remedy if number == errno.EPERM else 'correct user: or groups:'}"
        case "limits":
            remedy = "only root may raise a hard limit" if number in (errno.EPERM, 0) else "correct limits:"
            return f"cannot set limits {_limits(order)}: {reason}; {remedy}"
        case _ if stage.endswith(":"):
            from supervisor.guardian.setup import explain  # noqa: PLC0415 # loaded by now: its stages end so

            return explain(stage, number, detail)
        case _:
            return f"cannot prepare the process ({stage}): {reason}"


def _limits(order: Spawn) -> str:
    """``nofile 1024:65536``, as in the file."""
    names = {number: name for name, number in vars(resource).items() if name.startswith("RLIMIT_")}
    said = (
        f"{names.get(number, str(number)).removeprefix('RLIMIT_').lower()} {soft}:{hard}"
        for number, soft, hard in order.rlimits
    )
    return ", ".join(said).replace("-1", "unlimited")
