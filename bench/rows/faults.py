"""What breaks around a leader: its node is cut off; etcd's own leader changes. Network namespaces, three members; root."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator

from bench.harness.beats import boottime, overlap_ms, silence_ms
from bench.harness.result import Metric, Target
from bench.harness.wait import turns
from bench.rivals.contenders import Contender, Place
from bench.rows.row import Row, Setting, contenders, show
from tests.drills.members import Cluster
from tests.drills.net import Network, missing

TTL_SECONDS = 5
CUT_SECONDS = 12.0
WATCHED_SECONDS = 6.0
"""After each change of etcd's leader: longer than a TTL."""
MEMBERS = ("e1", "e2", "e3")
NODES = ("n1", "n2")


@contextlib.contextmanager
def place(setting: Setting) -> Iterator[tuple[Network, Cluster, Place]]:
    """Three members and two nodes, each on a host of its own."""
    if why := missing():
        raise RuntimeError(f"no network namespaces: {why}")
    net = Network([*MEMBERS, *NODES])
    with contextlib.closing(net):
        net.open()
        cluster = Cluster(net, MEMBERS, binaries=setting.binaries)
        with contextlib.closing(cluster):
            cluster.start()
            yield net, cluster, Place(
                endpoints=tuple(cluster.endpoints), binaries=setting.binaries, ttl_seconds=TTL_SECONDS,
                queue=lambda prefix: len(cluster.queue(prefix) or ()), inside=[net.inside(node) for node in NODES],
            )  # fmt: skip


def cut_once(side: Contender, net: Network) -> tuple[float, float]:
    """Milliseconds of two at once, and of nobody, while the leader's node is cut off for a while and back for a TTL."""
    old = side.settle()
    began = boottime()
    net.cut(old.node)
    try:
        time.sleep(CUT_SECONDS)
    finally:
        net.mend(old.node)
    time.sleep(TTL_SECONDS)
    side.beats.read()
    return overlap_ms(side.beats.record, began), silence_ms(side.beats.record, began, boottime())


def cutoff(setting: Setting) -> list[Metric]:
    """The leader's node loses its network."""
    rounds = setting.rounds(1, 2)
    overlap: dict[str, list[float]] = defaultdict(list)
    gap: dict[str, list[float]] = defaultdict(list)
    with place(setting) as (net, _, where):
        kinds = [kind for kind in setting.wanted() if kind.ttl_is_ours]
        for number, kind in turns(kinds, rounds):
            with contenders(setting_of(setting, number), where, [kind]) as (side,):
                two, nobody = cut_once(side, net)
            overlap[kind.name].append(two)
            gap[kind.name].append(nobody)
            show(f"cutoff {number + 1}/{rounds} {kind.name}: two at once {two:.0f} ms, nobody {nobody:.0f} ms")
    note = f"TTL {TTL_SECONDS} s, cut off for {CUT_SECONDS:.0f} s, watched for a TTL more; three members, network namespaces"
    without = {
        k.name: "its lease is etcdctl's 60 s, longer than the cut" for k in setting.wanted() if not k.ttl_is_ours
    }
    return [
        Metric(
            row="cutoff", name="node cut off: two leaders at once", unit="ms", note=note, missing=without,
            samples={s: tuple(v) for s, v in overlap.items()}, target=Target(kind="value", most=0.0),
            limit="0: who cannot renew can stop before the lease ends",
        ),
        Metric(
            row="cutoff", name="node cut off: nobody leads", unit="ms", note=note, missing=without,
            samples={s: tuple(v) for s, v in gap.items()},
            limit="without overlap the gap is at least what is left of the lease when the stop is done, and etcd ends leases"
            " up to 0.5 s late",
        ),
    ]  # fmt: skip


def setting_of(setting: Setting, number: int) -> Setting:
    """With a directory of its own for a round."""
    scratch = setting.scratch / f"round-{number}"
    return Setting(scratch=scratch, binaries=setting.binaries, kinds=setting.kinds, quick=setting.quick)


def moves(setting: Setting) -> list[Metric]:
    """Etcd's leader is moved, killed, frozen; everybody's leader should stay where it is. All at once: one storm for all."""
    rounds = setting.rounds(1, 3)
    moved: dict[str, list[float]] = defaultdict(list)
    doubled: dict[str, list[float]] = defaultdict(list)
    with place(setting) as (_, cluster, where), contenders(setting, where, setting.wanted()) as sides:
        for number in range(rounds):
            for how in ("moved", "killed", "frozen"):
                before = {side.name: side.settle() for side in sides}
                began = boottime()
                _disturb(cluster, how)
                time.sleep(WATCHED_SECONDS)
                cluster.start()
                for side in sides:
                    leader = before[side.name]
                    side.beats.read()
                    others = [i for i in side.beats.record.intervals("job") if i.first > began and i.pid != leader.pid]
                    moved[side.name].append(float(bool(others)))
                    doubled[side.name].append(overlap_ms(side.beats.record, began))
                show(f"moves {number + 1}/{rounds} {how}: " + ", ".join(f"{s} {v[-1]:.0f}" for s, v in moved.items()))
    note = f"TTL {TTL_SECONDS} s; its leader moved, killed, and frozen for {WATCHED_SECONDS:.0f} s, {rounds} times each"
    return [
        Metric(
            row="moves", name="needless moves per change of etcd's leader (mean)", unit="moves", note=note, limit="0",
            samples={s: (sum(v) / len(v),) for s, v in moved.items()}, target=Target(kind="value", most=0.0),
        ),
        Metric(
            row="moves", name="two leaders at once, in all", unit="ms", note=note,
            samples={s: (sum(v),) for s, v in doubled.items()}, target=Target(kind="value", most=0.0),
        ),
    ]  # fmt: skip


def _disturb(cluster: Cluster, how: str) -> None:
    leader = cluster.wait_leader()
    if how == "moved":
        cluster.move_leader()
    elif how == "killed":
        leader.kill()
    else:
        leader.freeze()


ROWS = (
    Row(name="cutoff", title="the leader's node is cut off: overlap and gap", measure=cutoff),
    Row(name="moves", title="etcd's own leader changes: needless moves", measure=moves),
)
