"""``needs``: which processes must have come how far before another is started, and which outlive which at a stop.

Promises: pure; a process is started when every one that it needs has come as far as it asks, in the same term, as the file
now in force describes it; processes that do not need each other wait for nobody. At a stop those that need another go first.
Does not: stop or restart anything because something it needs has failed, restarted or given up: what runs goes on, and what
does not run yet waits. A process that cannot live without another finds that out itself, and its own restart waits again.
"""

from collections.abc import Iterator

from supervisor.core import diff
from supervisor.core.draft import Draft
from supervisor.core.names import ProcessId, Role, Term
from supervisor.core.spec import Need, ProcessSpec
from supervisor.core.state import Health, Process, ProcessPhase


def satisfied(other: Process | None, need: Need) -> bool:
    """Whether a process has come as far as another needs it."""
    if other is None:
        return False
    match need:
        case Need.READY:
            return other.ready or other.phase is ProcessPhase.COMPLETED
        case Need.HEALTHY:
            return other.ready and other.health is Health.HEALTHY
        case Need.COMPLETED:
            return other.phase is ProcessPhase.COMPLETED


def met(draft: Draft, spec: ProcessSpec, term: Term | None) -> bool:
    """Whether a process of this spec may be started in this term (None: of no term), as far as others are concerned."""
    return all(
        satisfied(other := draft.processes.get(ProcessId(spec.id.election, name)), need)
        and _is_current(draft, other, term)
        for name, need in spec.needs.items()
    )


def leaned_on(draft: Draft, p: Process) -> bool:
    """Whether something that is being stopped too still needs this one: it is stopped after those."""
    return any(p.id.name in other.spec.needs and other.spec.role is p.spec.role for other in _beside(draft, p))


def _beside(draft: Draft, p: Process) -> Iterator[Process]:
    for pid in draft.members.get(p.id.election) or ():
        other = draft.processes.get(pid)
        if other is not None and other.alive and other.spec.needs:
            yield other


def _is_current(draft: Draft, other: Process | None, term: Term | None) -> bool:
    """Not of an earlier term, and not completed with a command that the file has changed since: it is to run again."""
    if other is None or other.term != term:
        return False
    declared = _declared(draft, other)
    return declared is None or not diff.needs_restart(other.spec, declared)


def _declared(draft: Draft, p: Process) -> ProcessSpec | None:
    spec = draft.base.spec
    if spec is None:
        return None
    if not p.id.election:
        return spec.processes.get(p.id.name)
    election = spec.elections.get(p.id.election)
    if election is None:
        return None
    return (election.leader if p.spec.role is Role.LEADER else election.follower).get(p.id.name)


def concerned(touched: set[ProcessId], processes: list[Process]) -> set[ProcessId]:
    """Of these processes those that changed, with those that need them or are needed by them."""
    found = set(touched)
    for other in processes:
        if other.spec.needs:
            needed = {ProcessId(other.id.election, name) for name in other.spec.needs}
            if other.id in touched:
                found |= needed
            elif not touched.isdisjoint(needed):
                found.add(other.id)
    return found
