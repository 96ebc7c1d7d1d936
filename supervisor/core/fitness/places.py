"""Are the files and directories fit: who else may write there, can we, and is there room.

Whoever may change what root reads can have root run anything; so, too, by replacing a directory or a link on the way.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from supervisor.core.fitness.facts import PlaceFacts, StepFacts
from supervisor.core.fitness.finding import Finding, fine, problem, warn

_OTHERS_WRITE, _GROUP_WRITES, _OTHERS_READ, _STICKY = 0o002, 0o020, 0o044, 0o1000
_ROOT = 0
FULL_BYTES, LOW_BYTES = 10_000_000, 200_000_000
LOW_INODES = 1000


def findings(place: PlaceFacts, uid: int) -> list[Finding]:
    """Those about one place; at least one."""
    found = [
        *_changed_by_others(place, uid),
        *_read_by_others(place),
        *_written(place),
        *_elsewhere(place),
        *_room(place),
    ]
    return found or [
        fine(
            place.check, place.path, "fit" if place.free_bytes is None else f"writable, {_size(place.free_bytes)} free"
        )
    ]


def _changed_by_others(place: PlaceFacts, uid: int) -> Iterator[Finding]:
    for step in place.steps:
        found = changer(step, uid)
        if found is not None:
            way = "" if step.path == place.path else f" {step.path}"
            why = f"whoever that is can put something else there, and have {'root' if uid == _ROOT else 'this user'} run or trust it"
            what = "it" if not way else "the link" if step.link else "the directory"
            mode = "" if found.remedy.startswith("chown") else f" (mode {step.mode & 0o7777:04o})"
            remedy = f"run: {found.remedy} {step.path}"
            yield problem(place.check, place.path, f"{what}{way} {found.why}{mode}", why=why, remedy=remedy)
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class Changer:
    """Somebody else who can change a place."""

    why: str
    """``may be written to by everybody``."""
    remedy: str
    """The command against that, but for the path: ``chmod go-w``."""


def changer(step: StepFacts, uid: int) -> Changer | None:
    """Who, beside this user and root, can change one step of the way to a file: the rule of ``doctor`` and of root's reading."""
    if step.uid not in (_ROOT, uid):
        user = "root" if uid == _ROOT else str(uid)
        return Changer(
            why=f"belongs to the user {step.owner or step.uid}", remedy=f"chown {'-h ' if step.link else ''}{user}"
        )
    if step.link or (not step.last and step.mode & _STICKY):
        return None
    if step.mode & _OTHERS_WRITE:
        return Changer(why="may be written to by everybody", remedy="chmod go-w")
    if step.mode & _GROUP_WRITES and step.gid != _ROOT and uid == _ROOT:
        return Changer(why=f"may be written to by the group {step.group or step.gid}", remedy="chmod g-w")
    return None


def _read_by_others(place: PlaceFacts) -> Iterator[Finding]:
    last = place.steps[-1] if place.steps and place.steps[-1].last else None
    if place.secret and last is not None and last.mode & _OTHERS_READ:
        why = "it is a secret, and whoever has it can write to every election"
        seen = f"others may read it (mode {last.mode & 0o7777:04o})"
        yield warn(place.check, place.path, seen, why=why, remedy=f"run: chmod go-rwx {place.path}")


def _written(place: PlaceFacts) -> Iterator[Finding]:
    if place.write_error:
        why = f"{place.what} must be writable for the user who runs the supervisor"
        remedy = "mend it, run this as the user who runs the supervisor, or choose another place" + _option(place)
        yield problem(place.check, place.path, place.write_error, why=why, remedy=remedy)


def _option(place: PlaceFacts) -> str:
    named = {"state.directory": " (--state-dir)", "socket.directory": " (--socket)"}
    return named.get(place.check, "")


def _elsewhere(place: PlaceFacts) -> Iterator[Finding]:
    if place.network:
        why = "its locks and its fsync depend on another machine, and a stuck server would hold up the supervisor"
        remedy = f"choose a directory on a disk of this machine{_option(place)}"
        yield warn(place.check, place.path, f"it lies on {place.network}", why=why, remedy=remedy)


def _room(place: PlaceFacts) -> Iterator[Finding]:
    if place.free_bytes is None or place.write_error:
        return
    why = "what is to be remembered over a restart cannot be written on a full disk"
    if place.check.startswith("log"):
        why = "on a full disk lines are lost (they are counted)"
    remedy = "make room there, or choose another place"
    if place.free_bytes < FULL_BYTES:
        yield problem(place.check, place.path, f"{_size(place.free_bytes)} free", why=why, remedy=remedy)
    elif place.free_bytes < LOW_BYTES:
        yield warn(place.check, place.path, f"{_size(place.free_bytes)} free", why=why, remedy=remedy)
    elif place.free_inodes is not None and place.free_inodes < LOW_INODES:
        yield warn(place.check, place.path, f"{place.free_inodes} inodes free", why=why, remedy=remedy)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
