"""The kinds of happenings (``happenings``), by themselves: the reader of a file needs their names alone.

Public: kinds are added, never renamed. Does not: say what a kind's facts are.
"""

from enum import StrEnum

from supervisor.core import movements


class Kind(StrEnum):
    """What kind of thing happened."""

    TERM_WON = "term-won"
    """This node leads; its processes follow."""
    TERM_GOES_ON = "term-goes-on"
    """A handover came to nothing when its processes had ended: the same term is led on, and they start again."""
    TERM_READY = "term-ready"
    """All that the term runs served for the first time."""
    TERM_ENDING = "term-ending"
    """This node is giving the lead up, or has lost it; its processes are being stopped."""
    TERM_ENDED = "term-ended"
    """Nothing of the term is left, and the key is gone."""
    LEADER_CHANGED = "leader-changed"
    """Another node leads, as far as the watch shows."""
    WAITING = "waiting"
    """This node has won and starts nothing yet: an earlier term may still run."""
    UNFIT = "unfit"
    """This node's standby keeps it from standing."""
    TOKEN_REFUSED = "token-refused"  # noqa: S105 # a fencing token, no secret
    """This node takes no office: its token would be below one already seen."""
    PAUSED = movements.PAUSED
    """Nobody moves, in one election or in the fleet."""
    RESUMED = movements.RESUMED
    DRAINED = movements.DRAINED
    """A node, not always this one, is to lead nothing."""
    UNDRAINED = movements.UNDRAINED
    SWITCHOVER = movements.SWITCHOVER
    """A request for one has come to another stage."""
    HANDING_OVER = movements.HANDING_OVER
    """This node has begun to hand an election over."""
    HANDOVER_FAILED = movements.HANDOVER_FAILED
    """... and it came to nothing: this node leads on, or has lost the lead."""
    WITHHELD = movements.WITHHELD
    """This node is first in a queue and takes no office: nobody moves, or it is drained."""
    PROCESS_STARTED = "process-started"
    PROCESS_READY = "process-ready"
    PROCESS_UNHEALTHY = "process-unhealthy"
    PROCESS_EXITED = "process-exited"
    """It ended, and what was decided."""
    PROCESS_GAVE_UP = "process-gave-up"
    """It has used up its restarts."""
    HOOK_FAILED = "hook-failed"
    CONFIG_ADOPTED = "config-adopted"
    CONFIG_REFUSED = "config-refused"
    ETCD_UNREACHABLE = "etcd-unreachable"
    ETCD_REACHABLE = "etcd-reachable"
    LEASE_IN_DOUBT = "lease-in-doubt"
    """Renewals failed for too long: the terms under the lease end."""
    KILL_BY_STRUCK = "kill-by-struck"
    """The guardian killed a term's processes because their time was up."""
    SLEPT = "slept"
    """The daemon did not run for a while."""
    STOPPING = "stopping"
    """The daemon is ending."""
