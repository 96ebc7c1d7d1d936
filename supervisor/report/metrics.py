"""What Prometheus reads: counted from events as they happen, and read off the state when somebody asks.

Imported only where the file has ``metrics``: prometheus-client is 5 MB of memory, and a daemon that nobody scrapes has none of
it. Names are public: the dashboard and the alert rules in ``config/`` use no other, and a test sees to that.
Promises: an election or a process that is gone from the file is gone from what is counted, so that nothing grows for ever.
Does not: listen (``http``), or know clocks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from supervisor.core import events as ev
from supervisor.core import history, leadership
from supervisor.core.happenings import Happening
from supervisor.core.kinds import Kind
from supervisor.core.names import Instant
from supervisor.core.state import State

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SPANS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a scrape is answered from."""

    state: State
    now: Instant
    version: str
    loop_lag_seconds: float
    longest_gap_seconds: float
    log_lines_lost: Mapping[str, int]
    """By process."""


class Metrics:
    """Everything counted, from its making on."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._now = _Now()
        ProcessCollector(namespace="supervisor_daemon", registry=self._registry)
        self._registry.register(self._now)
        self._terms = self._counter("terms", "Terms that this node has won", "election")
        self._ends = self._counter(
            "term_ends", "Terms of this node that ended; lost: against its will", "election", "lost"
        )
        self._gaps = self._histogram(
            "gap_seconds",
            "Time without a leader before a term of this node; whole: as history says",
            _SPANS,
            "election",
            "whole",
        )
        self._stops = self._histogram("stop_seconds", "From a term's end to its key given up", _SPANS, "election")
        self._starts = self._histogram("start_seconds", "From a win to all processes ready", _SPANS, "election")
        self._renewals = self._histogram("renewal_seconds", "From sending a renewal to its answer", _FAST, "ttl")
        self._failures = self._counter("renewal_failures", "Renewals that were not answered in time", "ttl")
        self._worst = self._gauge("lease_margin_worst_seconds", "Least time left of a lease when it was renewed", "ttl")
        self._restarts = self._counter("process_restarts", "Restarts after an exit", "process", "election")
        self._gave_up = self._counter(
            "process_gave_up", "Times a process had used up its restarts", "process", "election"
        )
        self._late = self._histogram("guardian_late_seconds", "How late the guardian struck at a kill-by", _FAST)
        self._events = self._counter("events", "What happened, by kind", "kind")
        self._least: dict[int, float] = {}
        for kind in Kind:
            self._events.labels(kind.value)

    def note(self, before: State, event: ev.Event, after: State, found: Iterable[Happening], now: Instant) -> None:
        """Count one step."""
        if isinstance(event, ev.RenewFailed):
            for ttl, session in before.sessions.items():
                if session.lease == event.lease:
                    self._failures.labels(str(ttl)).inc()
        if before.sessions is not after.sessions:
            self._sessions(before, after, now)
        for happening in found:
            self._happening(happening)
        if len(after.elections) < len(before.elections) or len(after.processes) < len(before.processes):
            self._forget(before, after)

    def text(self, moment: Moment) -> bytes:
        """What a scrape gets. May be called in a thread, by one at a time: a thousand elections take it a tenth of a second."""
        self._now.moment = moment
        return generate_latest(self._registry)

    def _sessions(self, before: State, after: State, now: Instant) -> None:
        for ttl, session in after.sessions.items():
            was = before.sessions.get(ttl)
            if was is None or was is session or was.lease != session.lease or session.sent_at <= was.sent_at:
                continue
            self._renewals.labels(str(ttl)).observe(max(0.0, now - session.sent_at))
            left = was.lease_deadline - now
            if ttl not in self._least or left < self._least[ttl]:
                self._least[ttl] = left
                self._worst.labels(str(ttl)).set(left)

    def _happening(self, h: Happening) -> None:
        self._events.labels(h.kind.value).inc()
        facts = h.facts
        match h.kind:
            case Kind.TERM_WON:
                self._terms.labels(h.election).inc()
            case Kind.TERM_READY:
                self._starts.labels(h.election).observe(float(facts["start_seconds"]))
                if "gap_seconds" in facts:
                    whole = str(facts["gap_by"] in history.SURE).lower()
                    self._gaps.labels(h.election, whole).observe(float(facts["gap_seconds"]))
            case Kind.TERM_ENDING:
                self._ends.labels(h.election, str(bool(facts["lost"])).lower()).inc()
            case Kind.TERM_ENDED:
                self._stops.labels(h.election).observe(float(facts["stop_seconds"]))
            case Kind.PROCESS_EXITED:
                if str(facts["decision"]).startswith("restart"):
                    self._restarts.labels(h.process, h.election).inc()
            case Kind.PROCESS_GAVE_UP:
                self._gave_up.labels(h.process, h.election).inc()
            case Kind.KILL_BY_STRUCK:
                self._late.observe(float(facts["late_seconds"]))
            case _:
                pass

    def _forget(self, before: State, after: State) -> None:
        """Neither declared nor alive any more: nobody's."""
        for name in before.elections.keys() - after.elections.keys():
            for metric in (self._terms, self._ends, self._gaps, self._stops, self._starts):
                metric.remove_by_labels({"election": name})
        for pid in before.processes.keys() - after.processes.keys():
            for counter in (self._restarts, self._gave_up):
                counter.remove_by_labels({"process": str(pid)})

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"supervisor_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"supervisor_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"supervisor_{name}", text, labels, buckets=buckets, registry=self._registry)


class _Now(Collector):
    """What is read off the state."""

    moment: Moment | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: there may be no state yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family, as of now."""
        if (m := self.moment) is None:
            return
        state = m.state
        yield _family("info", "This daemon", ("node", "version"), [((state.node, m.version), 1.0)])
        yield _family("config_generation", "Files adopted since the start", (), [((), state.generation)])
        yield _family("config_refused", "1 while the last file was refused", (), [((), bool(state.problems))])
        yield _family("etcd_reachable", "1 while etcd answers", (), [((), bool(state.store.reachable))])
        members = [((e.endpoint,), e.well) for e in state.store.endpoints if e.well is not None]
        yield _family("etcd_endpoint_up", "1 while this endpoint serves", ("endpoint",), members)
        yield _family("loop_lag_seconds", "How late the event loop last woke", (), [((), m.loop_lag_seconds)])
        yield _family(
            "loop_gap_longest_seconds",
            "Longest time in which the daemon did not run",
            (),
            [((), m.longest_gap_seconds)],
        )
        yield from _elections(m)
        yield from _processes(m)
        leases = [(ttl, s) for ttl, s in state.sessions.items() if s.lease is not None]
        margins = [((str(ttl),), s.trust_deadline - m.now) for ttl, s in leases]
        yield _family("lease_margin_seconds", "For how long the lease is proven", ("ttl",), margins)


def _elections(m: Moment) -> Iterator[Metric]:
    elections = m.state.elections
    leads = [((name,), leadership.is_under_way(m.state, e, m.now)) for name, e in elections.items()]
    yield _family("leader", "1 while this node leads, by a lease that is proven", ("election",), leads)
    phases = [((name, e.phase.value), 1.0) for name, e in elections.items()]
    yield _family("election_phase", "1 for the phase that the election is in here", ("election", "phase"), phases)
    tokens = [((name,), e.term.token) for name, e in elections.items() if e.term is not None]
    yield _family("fencing_token", "Of the term that this node holds", ("election",), tokens)
    queues = [((name,), len(e.queue)) for name, e in elections.items()]
    paused = [((name,), m.state.requests.paused(name) is not None) for name in elections]
    yield _family("paused", "1 while nobody moves in the election, and nobody takes over", ("election",), paused)
    drained = m.state.node in m.state.requests.drains
    yield _family("drained", "1 while this node is to lead nothing", (), [((), drained)])
    yield _family("candidates", "Keys in the queue, as the watch last showed it", ("election",), queues)


def _processes(m: Moment) -> Iterator[Metric]:
    declared = [p for p in m.state.processes.values() if not p.id.is_hook]
    labels = ("process", "election", "role")
    named = [((str(p.id), str(p.id.election), p.spec.role.value), p) for p in declared]
    yield _family("process_up", "1 while a child of it is alive", labels, [(n, p.alive) for n, p in named])
    yield _family("process_ready", "1 while it is ready", labels, [(n, p.alive and p.ready) for n, p in named])
    lost = CounterMetricFamily(
        "supervisor_log_lines_dropped", "Lines its log's targets did not take", labels=["process"]
    )
    for process, count in m.log_lines_lost.items():
        lost.add_metric([process], count)
    yield lost


def _family(
    name: str, text: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"supervisor_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family
