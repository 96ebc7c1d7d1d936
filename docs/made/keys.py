"""docs/reference/keys-in-etcd.md: every key and what stands in it, written by the code that writes them.

The documents shown are those of one short life in the tests' world (``tests.core.world``): a node leads, serves, and ends.
"""

import json
from collections.abc import Iterator, Mapping

from docs.made.reading import MADE, agree, table
from supervisor.core import document, requests
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, LeaseId, NodeName, Token
from supervisor.core.records import Mark
from supervisor.core.requests import Stage, Switchover
from supervisor.core.state import ElectionPhase
from supervisor.etcd import keys
from tests.core.world import World, election, spec

NAMESPACE, BILLING, TOKEN = "/supervisor", ElectionName("billing"), Token(61)
LEASE, NODE = LeaseId(0x694D9A1C2F3B5E07), NodeName("web-1")
HEAD = """\
# Keys and documents in etcd

All of it lies in three ranges, which are all that an etcd user must be granted: `{ranges}`. `{namespace}` is `etcd.namespace` of the file.
Every document is one JSON object with its keys sorted; `v` is its version. Fields may be added, none changes its meaning
([upgrading](../upgrading.md)). Readers expect anything: whoever may write to the ranges can write nonsense.

```text
{grants}
```

"""
DOCUMENT = {
    "v": "1",
    "node": "who wrote it; this makes it a document of ours",
    "state": "`candidate`, `leading` or `stopping`",
    "health": "the worst of its processes: `healthy`, `starting`, `degraded`, `unhealthy`",
    "since": "since when that is its state; of a leader: when it won",
    "token": "of a leader: the fencing token of its term",
    "processes": "by name: `state`, `pid`, `restarts`, `health`; empty where all of them would not fit into 4 KiB",
    "priority": "of the file",
    "paused": "`true` while this candidate knows of a pause",
    "drained": "`true` while this candidate knows that it is to lead nothing",
    "to": "of a leader that is handing over: to whom",
    "value": "`proclaim.value` of the file",
}
RECORD = {
    "v": "1",
    "mark": "`started`: with the proof of the win, before the first process; `stopped`: nothing of it is left; `over`: a successor has waited it out",
    "node": "whose term",
    "lease": "its lease, in hex",
    "ttl": "of the lease, in seconds, as granted",
    "margin": "its processes are dead so many seconds before the lease's end",
    "boot": "the kernel's boot id there",
    "home": "names the daemon's state directory: its own later start knows that the term is over",
    "since": "when it was won",
    "cause": "why it ended, for people",
    "won": "when it was won, to the millisecond",
    "ready": "when all its processes served for the first time",
    "lost": "when it began to end",
    "ended": "when its key was given up",
    "stop_seconds": "how long that took",
    "gap": "seconds without a leader before it, where known",
    "gap_by": "how that is known ([operating](../operating.md#history))",
    "why": "why it began: what became of the term before",
}
REQUEST = {
    "v": "1",
    "id": "names one request",
    "by": "who asked: node, uid, pid",
    "since": "since when it stands",
    "to": "of a switchover: to whom; absent: to the next healthy one",
    "at": "of a switchover: not before",
    "until": "of a switchover: past it, it is nobody's wish any more",
    "stage": "`asked`, `accepted`, `done`, `refused` or `aborted`",
    "why": "why it was refused or aborted",
    "node": "who answered",
    "token": "of the term that followed",
    "followers": "of a drain: `stop` or `go on`",
    "force": "of a drain: whether that is given up, too, which nobody else can lead",
}


def page() -> str:
    """The page."""
    grants = "\n".join(keys.grants(NAMESPACE, role="supervisor"))
    ranges = "`, `".join(keys.ranges(NAMESPACE))
    head = HEAD.format(ranges=ranges, namespace=NAMESPACE, grants=grants)
    lines = [*table(("key", "what", "written by"), _keys())]
    lines += [
        "What lies below `NAMESPACE/ELECTION/` is in that election's queue, by whomever it was written: `etcdctl elect`, jetcd, dotnet-etcd and",
        "Go's `concurrency.Election` write the same keys. The oldest create revision leads; it is the fencing token.",
        "",
    ]
    candidate, record, began = _life()
    lines += _document("A candidate's document", "As of a leader.", candidate, DOCUMENT)
    lines += _document(
        "The record of a term", "As of a term that has ended. The ledger's `ended` is the same.", record, RECORD
    )
    lines += _document("The ledger: how a term began", "Once it was ready.", began, RECORD)
    for title, text, fields in _requests():
        lines += _document(title, text, fields, REQUEST)
    return (
        MADE.format(source="supervisor/etcd/keys.py and what writes the documents")
        + head
        + "\n".join(lines).rstrip()
        + "\n"
    )


def _keys() -> Iterator[tuple[str, str, str]]:
    def shown(key: bytes | str) -> str:
        return f"`{key.decode() if isinstance(key, bytes) else key}`"

    ctl = keys.requests_prefix(NAMESPACE).decode()
    yield (
        shown(keys.candidate(NAMESPACE, BILLING, LEASE)),
        "a candidate, by its lease in hex; gone with the lease",
        "its node",
    )
    yield (
        shown(keys.record(NAMESPACE, BILLING, TOKEN)),
        "the record of a term, by its token",
        "its leader, its guardian, its successor",
    )
    yield (
        shown(keys.ledger(NAMESPACE, BILLING, TOKEN, keys.BEGAN)),
        "the ledger: how the term began",
        "its leader, two seconds after it was ready",
    )
    yield (
        shown(keys.ledger(NAMESPACE, BILLING, TOKEN, keys.ENDED)),
        "the ledger: the record of a term long over, moved there",
        "a later leader",
    )
    yield (
        shown(ctl + requests.switchover_path(BILLING)),
        "a switchover that is asked for, and what became of it",
        "whoever asks; the leader",
    )
    yield shown(ctl + requests.pause_path(ElectionName(""))), "nobody moves, in the fleet", "whoever asks"
    yield shown(ctl + requests.pause_path(BILLING)), "nobody moves, in one election", "whoever asks"
    yield shown(ctl + requests.drain_path(NODE)), "that node leads nothing", "whoever asks"
    yield shown(ctl + "drill/scratch/..."), "the notes of a drill, on leases of their own", "`supervisor drill`"
    yield (
        shown(ctl + "raise"),
        "written and deleted to raise the revision of a local etcd above the tokens already seen",
        "a daemon with a local etcd",
    )


def _life() -> tuple[Mapping[str, object], Mapping[str, object], Mapping[str, object]]:
    """A leader's document, its term's record when it has ended, and how the ledger says that it began."""
    world = World()
    world.load(spec(election("billing"), node=NODE))
    world.advance(5.0)
    leader = world.state.elections[BILLING]
    assert leader.phase is ElectionPhase.LEADING
    candidate = json.loads(document.build(world.state, leader, tuple(world.state.processes.values())))
    (began,) = (json.loads(value) for value in world.store.ledger["billing"].values())
    world.post(ev.ShutdownRequested(reason="received SIGTERM"))
    (record,) = (json.loads(value) for value in world.store.records["billing"].values())
    assert record["mark"] == Mark.STOPPED
    return candidate, record, began


def _requests() -> Iterator[tuple[str, str, Mapping[str, object]]]:
    by, date = "web-2, uid 0, pid 4711", 1_800_000_000.0
    asked = Switchover(
        id="3f2a", to=NodeName("web-3"), at=date, until=date + 60, by=by, stage=Stage.DONE, node="web-1", token=61
    )
    yield "A switchover", "As of one that is done.", json.loads(requests.written(asked))
    yield "A pause", "It lasts as long as the key.", json.loads(requests.paused_now(by, date))
    drained = requests.drained_now(by, date, followers_stop=False, force=False)
    yield "A drain", "It lasts as long as the key.", json.loads(drained)


def _document(title: str, text: str, fields: Mapping[str, object], meanings: Mapping[str, str]) -> Iterator[str]:
    agree(title, told=fields.keys() & meanings.keys(), there=fields)
    yield from (f"## {title}", "", text, "", "```json", json.dumps(fields, indent=2), "```", "")
    optional = [name for name in meanings if name not in fields] if meanings is DOCUMENT else []
    yield from table(("field", "holds"), [(f"`{name}`", meanings[name]) for name in [*fields, *optional]])
