"""States made by hand: what a daemon would know in the situations that ``status`` has to show."""

import json
from dataclasses import replace

from supervisor.control.ports import Facts
from supervisor.core.events import Candidate
from supervisor.core.names import (
    ElectionName,
    Instant,
    LeaseId,
    NodeName,
    ProcessId,
    ProcessName,
    Role,
    RunId,
    Term,
    Token,
)
from supervisor.core.spec import ElectionSpec, EtcdSpec, ProcessSpec, Spec
from supervisor.core.state import (
    Election,
    ElectionPhase,
    Health,
    LastExit,
    Process,
    ProcessPhase,
    Session,
    State,
)
from supervisor.core.store import Store
from supervisor.core.store_events import EndpointSight

NOW = Instant(10_000.0)
LEASE = LeaseId(0x694D8E3F2A1C0B05)
OTHER_LEASE = LeaseId(0x111D8E3F2A1C0B11)
ETCD = EtcdSpec(endpoints=("http://10.0.0.1:2379", "http://10.0.0.2:2379", "http://10.0.0.3:2379"))
FACTS = Facts(
    pid=4321,
    version="0.1.0",
    guardian_pid=4322,
    containment="cgroup v2",
    local_etcd=False,
    endpoints=ETCD.endpoints,
)


def ago(seconds: float) -> Instant:
    return Instant(NOW - seconds)


def document(node: str, state: str = "leading", health: str = "healthy", **value: object) -> bytes:
    return json.dumps(
        {
            "v": 1,
            "node": node,
            "state": state,
            "health": health,
            "since": "2026-11-24T05:00:00Z",
            "processes": {},
            "priority": 0,
            "value": value,
        }
    ).encode()


def candidate(
    election: str, *, token: int, lease: int = OTHER_LEASE, value: bytes | None = None, node: str = "web-2"
) -> Candidate:
    return Candidate(
        key=f"/supervisor/{election}/{lease:x}",
        lease=LeaseId(lease),
        create_revision=Token(token),
        value=document(node) if value is None else value,
    )


def process_spec(election: str, name: str, role: Role = Role.LEADER, **more: object) -> ProcessSpec:
    pid = ProcessId(ElectionName(election), ProcessName(name))
    return ProcessSpec(id=pid, role=role, command=("/bin/" + name,), **more)  # type: ignore[arg-type]


def election_spec(name: str, *, leader: tuple[str, ...] = ("api",), follower: tuple[str, ...] = ()) -> ElectionSpec:
    return ElectionSpec(
        name=ElectionName(name),
        leader={ProcessName(p): process_spec(name, p) for p in leader},
        follower={ProcessName(p): process_spec(name, p, Role.FOLLOWER) for p in follower},
    )


def running(spec: ProcessSpec, *, run: int, pid: int, term: Term | None = None, since: float = 725.0) -> Process:
    return Process(
        id=spec.id,
        spec=spec,
        phase=ProcessPhase.RUNNING,
        since=ago(since),
        run=RunId(run),
        pid=pid,
        term=term,
        ready=True,
        health=Health.HEALTHY,
    )


def leading(name: str, *, token: int = 1234, **spec: tuple[str, ...]) -> Election:
    wanted = election_spec(name, **spec)
    own = candidate(name, token=token, lease=LEASE, value=document("web-1"))
    return Election(
        spec=wanted,
        phase=ElectionPhase.LEADING,
        since=ago(725),
        cause="won",
        lease=LEASE,
        create_revision=Token(token),
        term=Term(wanted.name, Token(token)),
        won_at=ago(725),
        armed=True,
        remembered=True,
        queue=(own, candidate(name, token=token + 6)),
        queue_revision=1300,
        queue_at=ago(300),
        proclaimed=own.value,
    )


def following(name: str, *, token: int = 1240, first: Candidate | None = None, **spec: tuple[str, ...]) -> Election:
    wanted = election_spec(name, **spec)
    own = candidate(name, token=token, lease=LEASE, value=document("web-1", "candidate"))
    return Election(
        spec=wanted,
        phase=ElectionPhase.FOLLOWING,
        since=ago(7500),
        cause="queued behind the leader",
        lease=LEASE,
        create_revision=Token(token),
        standby=True,
        queue=(first or candidate(name, token=1201), own),
        queue_revision=1300,
        queue_at=ago(40),
    )


def state(*elections: Election, processes: tuple[Process, ...] = (), always: tuple[ProcessSpec, ...] = ()) -> State:
    """A connected, healthy node with one session. Processes not given are stopped."""
    spec = Spec(
        node=NodeName("web-1"),
        etcd=ETCD,
        elections={e.spec.name: e.spec for e in elections},
        processes={p.id.name: p for p in always},
    )
    found = {pid: Process(id=pid, spec=p, since=ago(7500)) for pid, p in spec.process_specs().items()}
    found.update({p.id: p for p in processes})
    members: dict[ElectionName, tuple[ProcessId, ...]] = {}
    for pid in found:
        members[pid.election] = (*members.get(pid.election, ()), pid)
    return State(
        node=NodeName("web-1"),
        started_at=ago(7501),
        wall_offset_seconds=1_790_000_000.0,
        spec=spec,
        generation=3,
        source="/etc/supervisor/supervisor.yaml (3f2a91c0)",
        loaded_at=ago(740),
        store=Store(
            connected=ETCD,
            reachable=True,
            since=ago(7500),
            confirmed_at=ago(1.2),
            detail="http://10.0.0.1:2379",
            cluster="cdf818194e3a8c32",
            endpoints=tuple(
                EndpointSight(endpoint=url, well=True, cluster="cdf818194e3a8c32", version="3.6.12")
                for url in ETCD.endpoints
            ),
        ),
        sessions={10: Session(ttl_seconds=10, lease=LEASE, granted_seconds=10, sent_at=ago(2.8))},
        elections={e.spec.name: e for e in elections},
        processes=found,
        next_run=50,
        runs={p.run: p.id for p in processes if p.run is not None},
        members=members,
    )


def healthy() -> State:
    """Leads one election, follows in another, one process for whoever leads."""
    billing = leading("billing", leader=("api", "migrate"))
    search = following("search", leader=("index",), follower=("standby",))
    exporter = process_spec("", "exporter", Role.ALWAYS)
    migrate = Process(
        id=billing.spec.leader[ProcessName("migrate")].id,
        spec=billing.spec.leader[ProcessName("migrate")],
        phase=ProcessPhase.COMPLETED,
        since=ago(720),
        last_exit=LastExit(at=ago(720), code=0, signal=None, core_dumped=False, ran_seconds=4.2),
    )
    return state(
        billing,
        search,
        processes=(
            running(billing.spec.leader[ProcessName("api")], run=7, pid=4711, term=billing.term),
            migrate,
            running(search.spec.follower[ProcessName("standby")], run=3, pid=4650, since=7490),
            running(exporter, run=1, pid=4400, since=7499),
        ),
        always=(exporter,),
    )


def troubled() -> State:
    """Everything that can go wrong at once, nearly."""
    billing = leading("billing", leader=("api", "worker"))
    mail = replace(
        leading("mail", token=1302, leader=("smtpd",)),
        phase=ElectionPhase.STEPPING_DOWN,
        since=ago(14),
        cause="resigned by an operator",
        blockers=("4977 (sendmail)", "4978 (sendmail)"),
    )
    search = replace(following("search", leader=("index",), follower=("standby",)), queue=(), queue_at=None)
    legacy = following(
        "a-rather-long-election-name", first=candidate("a-rather-long-election-name", token=1190, value=b"other\x1b[2J")
    )
    api = replace(
        running(billing.spec.leader[ProcessName("api")], run=7, pid=4711, term=billing.term, since=95),
        health=Health.UNHEALTHY,
        probe_detail="GET http://127.0.0.1:8080/healthz: 503 Service Unavailable",
        restarts=2,
        last_exit=LastExit(at=ago(100), code=None, signal=9, core_dumped=False, ran_seconds=620),
    )
    worker = Process(
        id=billing.spec.leader[ProcessName("worker")].id,
        spec=billing.spec.leader[ProcessName("worker")],
        phase=ProcessPhase.BACKOFF,
        since=ago(1.5),
        retry_at=Instant(NOW + 3.5),
        restarts=4,
        failures=4,
        last_exit=LastExit(at=ago(1.5), code=1, signal=None, core_dumped=False, ran_seconds=0.3),
    )
    standby = Process(
        id=search.spec.follower[ProcessName("standby")].id,
        spec=search.spec.follower[ProcessName("standby")],
        phase=ProcessPhase.GAVE_UP,
        since=ago(60),
        restarts=5,
        last_exit=LastExit(
            at=ago(60), code=None, signal=None, core_dumped=False, ran_seconds=0, detail="/bin/standby: no such file"
        ),
    )
    return replace(
        state(billing, mail, search, legacy, processes=(api, worker, standby)),
        problems=(
            '/etc/supervisor/supervisor.yaml:12:5: unknown key "comand"; did you mean "command"?',
            "/etc/supervisor/supervisor.yaml:14:10: 10 says no unit; write 10s for seconds, or one of 10ms, 10m, 10h",
        ),
        rejected_at=ago(5),
    )


def cut_off() -> State:
    """Etcd has not answered for a while; the lease is not lost yet."""
    before = healthy()
    return replace(
        before,
        store=replace(
            before.store,
            reachable=False,
            since=ago(4.1),
            confirmed_at=ago(8.3),
            detail="10.0.0.1:2379: connection refused",
            endpoints=(
                replace(
                    before.store.endpoints[0],
                    well=False,
                    detail="status at http://10.0.0.1:2379: connection refused",
                    failures=4,
                    version="3.5.21",
                ),
                *before.store.endpoints[1:],
            ),
        ),
        sessions={10: replace(before.sessions[10], sent_at=ago(7.1), lost=True, failures=3, detail="timed out")},
    )


def unknown() -> State:
    """Well, as far as one can tell, but etcd has not answered yet."""
    before = healthy()
    return replace(before, store=replace(before.store, reachable=None))
