"""What holds a run's processes together, and knows when none is left. Standard library only.

Two kinds. **Cgroup** (v2, wherever the subtree is ours to write): a directory per run, ``cgroup.kill`` ends all of it at
once, ``cgroup.events`` says when it is empty. **Session** (anywhere else): a process belongs to a run when its
environment carries the run's marker, when it is in a session that the run began, or when its parent belongs. The
guardian is a child subreaper, so what daemonises becomes its child and cannot leave the tree it looks through.

Promises: empty is observed, never assumed; killing repeats until nothing is left; a pid is only ever signalled while
it still is what it was when it was found (its start time is compared). Does not promise: that the session kind finds a
process which began a session of its own, dropped its environment and lost its parent between two looks; cgroups do.
"""

import contextlib
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

MARKER = "SUPERVISOR_SCOPE"
"""Environment variable of every child: state directory's mark and scope, so that a later daemon knows its own."""


@dataclass(frozen=True, slots=True)
class Found:
    """A process as /proc showed it."""

    pid: int
    parent: int
    session: int
    started: int
    state: str
    name: str

    def __str__(self) -> str:
        """``1234 (name)``: how blockers are named."""
        return f"{self.pid} ({self.name})"


def look(pid: int) -> Found | None:
    """One process, or None when there is none (any more). A zombie is none: nothing of it runs."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = text[text.index("(") + 1 :].rpartition(") ")
    parts = rest.split()
    if parts[0] in "ZX":
        return None
    return Found(
        pid=pid, parent=int(parts[1]), session=int(parts[3]), started=int(parts[19]), state=parts[0], name=name
    )


def everyone() -> list[Found]:
    """Every process that can be seen."""
    found = (look(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208 # hot, and names only
    return [p for p in found if p is not None]


def marker_of(pid: int) -> str:
    """The marker in a process's environment; empty when it has none or it may not be read."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    prefix = MARKER.encode() + b"="
    return next((e[len(prefix) :].decode(errors="replace") for e in environ.split(b"\0") if e.startswith(prefix)), "")


def kill_found(process: Found, number: int = signal.SIGKILL) -> None:
    """Signal a process if it is still the one that was found: through a pidfd, its start time compared after opening."""
    with contextlib.suppress(OSError):
        fd = os.pidfd_open(process.pid)
        try:
            now = look(process.pid)
            if now is not None and now.started == process.started:
                signal.pidfd_send_signal(fd, number)
        finally:
            os.close(fd)


class Cgroup:
    """A run in a cgroup of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def join(self, pid: int) -> None:
        """Move a process in. OSError when it cannot be."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def empty(self) -> bool:
        """Whether nothing is in it or below it."""
        try:
            return "populated 0" in (self.path / "cgroup.events").read_text()
        except FileNotFoundError:
            return True

    def kill(self) -> None:
        """SIGKILL everything in it, forks in flight included (the kernel's promise for cgroup.kill, Linux 5.14)."""
        try:
            (self.path / "cgroup.kill").write_text("1")
        except OSError:
            for process in self.members():
                kill_found(process)

    def members(self) -> list[Found]:
        """Who is in it."""
        pids: list[int] = []
        for directory, _, _ in os.walk(self.path):
            with contextlib.suppress(OSError):
                pids += map(int, (Path(directory) / "cgroup.procs").read_text().split())
        return [p for p in map(look, pids) if p is not None]

    def remove(self) -> None:
        """Delete the empty directory and what is below it."""
        for directory, _, _ in os.walk(self.path, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)  # noqa: PTH106 # a string already


@dataclass(slots=True)
class Session:
    """A run known by its marker, its sessions and its descendants."""

    mark: str
    sessions: set[int] = field(default_factory=set)
    known: dict[int, int] = field(default_factory=dict)
    """pid -> start time of everything ever found in it that may still be alive."""

    def join(self, pid: int) -> None:
        """The main process begins the run's first session."""
        self.sessions.add(pid)
        found = look(pid)
        if found is not None:
            self.known[pid] = found.started

    def members(self) -> list[Found]:
        """Who belongs, by one look through /proc."""
        processes = everyone()
        by_pid = {p.pid: p for p in processes}
        inside = {
            p.pid
            for p in processes
            if p.session in self.sessions or self.known.get(p.pid) == p.started or marker_of(p.pid) == self.mark
        }
        grown = True
        while grown:
            children = {p.pid for p in processes if p.parent in inside and p.pid not in inside}
            grown = bool(children)
            inside |= children
        members = [by_pid[pid] for pid in inside]
        self.known = {p.pid: p.started for p in members}
        self.sessions |= {p.session for p in members if p.session in inside}
        return members

    def empty(self) -> bool:
        """Whether nobody belongs any more."""
        return not self.members()

    def kill(self) -> None:
        """SIGSTOP first, so that nothing forks while it is being counted; then SIGKILL."""
        for process in self.members():
            kill_found(process, signal.SIGSTOP)
        for process in self.members():
            kill_found(process)

    def remove(self) -> None:
        """Nothing was made, so nothing is removed."""


Containment = Cgroup | Session


def own_cgroup() -> Path | None:
    """This process's cgroup v2 directory, or None without one."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in groups if line.startswith("0::")), None)
    for line in mounts:
        left, _, right = line.partition(" - ")
        if path is not None and right.startswith("cgroup2 "):
            root, point = left.split()[3:5]
            below = path if root == "/" else "/" + os.path.relpath(path, root)
            return Path(point + below)
    return None


class Yard:
    """Makes containments under one root, which a later guardian can find again by the record in the state directory."""

    def __init__(self, state_dir: Path, mark: str) -> None:
        self.mark = mark
        self._record = state_dir / "containment"
        self.root = self._find_root()
        self.kind = "cgroup" if self.root else "session"
        with contextlib.suppress(OSError):
            self._record.write_text(f"{self.root or ''}\n{mark}\n")

    def make(self, scope: str) -> Containment:
        """A containment for one run. Falls back to the session kind when the cgroup cannot be made."""
        if self.root is not None:
            with contextlib.suppress(OSError):
                return Cgroup(self.root / scope)
        return Session(mark=f"{self.mark}:{scope}")

    def leftovers(self) -> list[Found]:
        """What an earlier daemon of this state directory left alive."""
        recorded = ""
        with contextlib.suppress(OSError, IndexError):
            recorded = self._record.read_text().splitlines()[0]
        found = {p.pid: p for p in everyone() if marker_of(p.pid).startswith(self.mark + ":")}
        for root in {recorded, str(self.root or "")} - {""}:
            if Path(root).is_dir():
                found.update({p.pid: p for p in Cgroup(Path(root)).members()})
        found.pop(os.getpid(), None)
        return list(found.values())

    def remove(self) -> None:
        """Delete the empty root."""
        if self.root is not None:
            Cgroup(self.root).remove()

    def _find_root(self) -> Path | None:
        own = own_cgroup()
        if own is None or os.environ.get("SUPERVISOR_CONTAINMENT") == "session":
            return None
        root = own / f"supervisor-{self.mark}"
        try:
            trial = Cgroup(root / "trial")
            fits = (trial.path / "cgroup.kill").exists() or os.access(trial.path / "cgroup.procs", os.W_OK)
            trial.path.rmdir()
        except OSError:
            return None
        return root if fits else None
