"""The kinds of happenings (``happenings``), by themselves: the reader of a file needs their names alone.

Public: kinds are added, never renamed. Does not: say what a kind's facts are.
"""

from enum import StrEnum


class Kind(StrEnum):
    """What kind of thing happened."""

    TERM_WON = "term-won"
    """This node leads; its processes follow."""
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
