"""Processes that a lost lease leaves less time to end in than they are given otherwise.

Promises: warnings, each at the place of the ``stop.timeout`` that the file asks for; what it leaves to the default is not
warned of, since nobody said that a process needs so long (``check`` shows what it gets). Does not: keep a file from being
adopted: many a process can bear to be killed.
"""

from supervisor.config.problems import Problem
from supervisor.config.tree import MapNode, child
from supervisor.core import timing
from supervisor.core.evolve import replace
from supervisor.core.spec import ElectionSpec, Spec


def warnings(root: MapNode, spec: Spec) -> tuple[Problem, ...]:
    """One for each place, instances of a process together."""
    found: dict[tuple[str, int, int], Problem] = {}
    for name, election in sorted(spec.elections.items()):
        left = timing.budget(election).left_seconds
        for process, declared in election.leader.items():
            written = child(root, "elections", name, "leader", "processes", process, "stop", "timeout")
            wanted = declared.stop.timeout_seconds
            if written is not None and wanted > left:
                place = written.place
                message = (
                    f"{process}: stop.timeout is {timing.text(wanted)}, and a lost lease leaves {timing.text(left)} from the "
                    f"stop signal to the kill"
                )
                warning = Problem(
                    file=place.file, line=place.line, column=place.column, message=message,
                    remedy=_remedy(election, wanted, left),
                )  # fmt: skip
                found.setdefault((place.file, place.line, place.column), warning)
    return tuple(found[where] for where in sorted(found))


def _remedy(election: ElectionSpec, wanted: float, left: float) -> str:
    ttl = timing.least_ttl_seconds(replace(election, lost_grace_seconds=wanted))
    return (
        f"fine where being killed does no harm; else let it end within {timing.text(left)}, or write ttl: {ttl}s and "
        f"lost_grace: {timing.text(wanted)} for {election.name} (a dead node is then replaced after {ttl}s)"
    )
