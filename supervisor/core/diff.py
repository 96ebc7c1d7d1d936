"""What changes between two specs, and what each change costs. The reconciler and the command line share it.

Promises: equal declarations cost nothing; every difference is one of *live*, *restart* (the process only, same term and
token) and *re-campaign* (stop, prove empty, resign, campaign anew); each change names the keys it comes from.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

from supervisor.core.access import ControlSpec
from supervisor.core.spec import (
    CampaignWay,
    ElectionSpec,
    EtcdSpec,
    ProcessSpec,
    ReloadPolicy,
    Spec,
)

RECAMPAIGN_ELECTION_FIELDS = frozenset({"ttl_seconds", "lost_grace_seconds", "safety_margin_seconds"})
"""The lease and the guardian's kill-by are made of these; a term cannot change them under its own feet."""

LIVE_PROCESS_FIELDS = frozenset({"ready", "health", "restart", "stop", "log", "needs", "timeout_seconds"})
"""A change of these never restarts a child: they say how it is watched, not what it is.

But for what a child learns at its start alone: where to notify, and how often (``needs_restart``)."""


class Cost(StrEnum):
    """What a change does to what runs."""

    KEEP = "keep"
    """Nothing."""
    START = "start"
    STOP = "stop"
    LIVE = "live"
    RESTART = "restart"
    RECAMPAIGN = "re-campaign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One declared thing that differs."""

    cost: Cost
    what: str
    """``election billing`` or ``process billing/api``."""
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``restart process billing/api (command)``."""
        return f"{self.cost} {self.what}" + (f" ({', '.join(self.keys)})" if self.keys else "")


def changed_fields(old: object, new: object) -> tuple[str, ...]:
    """Names of the dataclass fields in which two values of one type differ."""
    names = (f.name for f in fields(old))  # type: ignore[arg-type] # dataclasses only, by contract
    return tuple(n for n in names if getattr(old, n) != getattr(new, n))


def needs_restart(old: ProcessSpec, new: ProcessSpec) -> bool:
    """Whether a running child of ``old`` cannot simply go on as one of ``new``."""
    if old is new or old == new:
        return False
    if not LIVE_PROCESS_FIELDS.issuperset(changed_fields(old, new)):
        return True
    # What a child is told of sd_notify it is told at its start: a socket it does not have, a watchdog of another period.
    if new.notifies and not old.notifies:
        return True
    return new.watchdog_seconds is not None and new.watchdog_seconds != old.watchdog_seconds


def needs_recampaign(old: ElectionSpec, new: ElectionSpec) -> bool:
    """Whether a candidacy under ``old`` must end for ``new`` to hold."""
    if old is new or old == new:
        return False
    if ReloadPolicy.RESIGN in (old.reload, new.reload):
        return True
    return not RECAMPAIGN_ELECTION_FIELDS.isdisjoint(changed_fields(old, new))


def moves(old: Spec, new: Spec) -> bool:
    """Whether no candidacy of ours outlives the change of etcd."""
    # The same cluster by another way is the same etcd: a reload is refused when it is not (``moving``).
    local = old.local_etcd is not None or new.local_etcd is not None
    return old.etcd != new.etcd if local else _candidacy(old.etcd) != _candidacy(new.etcd)


def goes_another_way(old: Spec, new: Spec) -> bool:
    """Whether etcd is reached differently, and everything goes on over the new connection."""
    return old.etcd != new.etcd and not moves(old, new) and bool(old.elections and new.elections)


def of_election(old: ElectionSpec | None, new: ElectionSpec | None, *, moved: bool = False) -> Cost:
    """What the change of an election costs by itself; its processes are another matter."""
    if old is None or new is None:
        return Cost.KEEP if old is new else Cost.START if old is None else Cost.STOP
    if moved or needs_recampaign(old, new):
        return Cost.RECAMPAIGN
    own = set(changed_fields(old, new)) - {"leader", "follower"}
    return Cost.LIVE if own else Cost.KEEP


def of_process(old: ProcessSpec | None, new: ProcessSpec | None) -> Cost:
    """What the change of a process costs by itself; its election may cost it more."""
    if old is None or new is None:
        return Cost.KEEP if old is new else Cost.START if old is None else Cost.STOP
    if needs_restart(old, new):
        return Cost.RESTART
    return Cost.KEEP if old == new else Cost.LIVE


def diff(old: Spec | None, new: Spec) -> tuple[Change, ...]:
    """Every change from ``old`` to ``new``, elections first, in the order of their names."""
    if old is None:
        old = Spec(node=new.node)
    moved = moves(old, new)
    changes: list[Change] = []
    if goes_another_way(old, new):
        changes.append(Change(cost=Cost.LIVE, what="etcd", keys=_keys(old.etcd, new.etcd)))
    if old.control != new.control:
        changes.append(
            Change(
                cost=Cost.LIVE, what="control", keys=_keys(old.control or ControlSpec(), new.control or ControlSpec())
            )
        )
    for name in sorted({*old.elections, *new.elections}):
        before, after = old.elections.get(name), new.elections.get(name)
        cost = of_election(before, after, moved=moved)
        if cost is Cost.KEEP:
            continue
        keys = () if before is None or after is None else _keys(before, after)
        if cost is Cost.RECAMPAIGN and moved:
            keys = ("etcd", *keys)
        if cost is Cost.LIVE:
            keys = tuple(k for k in keys if k not in ("leader", "follower"))
        changes.append(Change(cost=cost, what=f"election {name}", keys=keys))
    changes += [
        Change(cost=Cost.LIVE, what=what)
        for what in ("metrics", "web", "notify")
        if getattr(old, what) != getattr(new, what)
    ]
    changes += _process_changes(old, new)
    return tuple(changes)


def _candidacy(etcd: EtcdSpec) -> tuple[str, CampaignWay]:
    """What a key in a queue was made by: no candidacy outlives a change of it."""
    return etcd.namespace, etcd.campaign


def _process_changes(old: Spec, new: Spec) -> list[Change]:
    changes = []
    before, after = old.process_specs(), new.process_specs()
    for pid in sorted({*before, *after}):
        was, will = before.get(pid), after.get(pid)
        if (cost := of_process(was, will)) is not Cost.KEEP:
            keys = () if was is None or will is None else _keys(was, will)
            changes.append(Change(cost=cost, what=f"process {pid}", keys=keys))
    return changes


def _keys(old: object, new: object) -> tuple[str, ...]:
    return tuple(name.removesuffix("_seconds") for name in changed_fields(old, new))
