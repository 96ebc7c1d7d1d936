"""What an operator's word about a process does. It beats automation, always.

*stop* halts the process: it is brought to its end as at any willing stop, and neither its restart policy, nor a reload, nor
a new term or standby period starts it again on this node, until *start* or *restart* does. The term stays, though what is
halted is all it runs: giving the office up is another word (``resign``), and the proclaimed health says that it is degraded.
Processes that need a halted one go on if they run, and wait if they do not. *start* lifts a halt and a give-up, and is
nothing to what runs or has completed; *restart* ends what runs, and starts it again with a fresh budget, halted or not.
Both end the cool-down of the process's election (``giveup.pardon``): who says so has mended something.
Promises: each word twice is as good as once. Does not: halt the local etcd: every election would be lost with it; run or stop
hooks: they have their own time.
"""

from supervisor.core import giveup, lifecycle
from supervisor.core.draft import Draft
from supervisor.core.operator_events import RestartRequested, StartRequested, StopRequested


def on_request(draft: Draft, event: RestartRequested | StartRequested | StopRequested) -> None:
    """Take the word over; the reconciler does the rest. A process that does not exist (any more) is nobody."""
    p = draft.processes.get(event.process)
    if p is None or p.id.is_hook:
        return
    match event:
        case StopRequested():
            spec = draft.base.spec
            if spec is None or spec.local_etcd is None or spec.local_etcd.id != p.id:
                lifecycle.halt(draft, p)
        case StartRequested():
            lifecycle.resume(draft, p)
            giveup.pardon(draft, p.id.election)
        case RestartRequested():
            if p.alive:
                lifecycle.restart(draft, p)
            else:
                lifecycle.rest(draft, lifecycle.unhalted(p))
            giveup.pardon(draft, p.id.election)
