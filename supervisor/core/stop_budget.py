"""How long a whole stop may take by the file, for whoever waits for it with a limit: a service manager.

Promises: an upper bound of a willing stop as the core does it: processes in the reverse order of their needs, the longest chain
of them one after the other, each with its pre-stop command and until its SIGKILL; the leader's ``demoted`` hook besides; all
roles and elections at once. Does not: bound what the kernel takes to end a process that hangs in it.
"""

from collections.abc import Mapping
from graphlib import TopologicalSorter

from supervisor.core.names import ProcessName
from supervisor.core.spec import ElectionSpec, HookKind, ProcessSpec, Spec

LAST_STEPS_SECONDS = 5.0
"""To see that nothing is left, and to give the leases back."""


def stop_budget_seconds(spec: Spec | None) -> float:
    """Seconds from the wish to end until nothing is left and nothing is held."""
    if spec is None:
        return LAST_STEPS_SECONDS
    roles = [_chain_seconds(spec.processes), *(_election_seconds(e) for e in spec.elections.values())]
    return max(roles) + LAST_STEPS_SECONDS


def _election_seconds(election: ElectionSpec) -> float:
    demoted = sum(hook.timeout_seconds for hook in election.hooks.values() if hook.kind is HookKind.DEMOTED)
    return max(_chain_seconds(election.leader) + demoted, _chain_seconds(election.follower))


def _chain_seconds(processes: Mapping[ProcessName, ProcessSpec]) -> float:
    """The longest chain of needs."""
    until: dict[ProcessName, float] = {}
    for name in TopologicalSorter({n: p.needs for n, p in processes.items()}).static_order():
        stop = processes[name].stop
        own = stop.timeout_seconds + (stop.before_timeout_seconds if stop.before else 0.0)
        until[name] = own + max((until[other] for other in processes[name].needs), default=0.0)
    return max(until.values(), default=0.0)
