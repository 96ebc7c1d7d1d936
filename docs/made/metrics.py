"""docs/reference/metrics.md: every family that a scrape of a daemon gets, from the registry itself."""

from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from docs.made.reading import MADE, table
from supervisor.core import machine
from supervisor.core.names import Instant, NodeName
from supervisor.report.metrics import Metrics, Moment

HEAD = """\
# Metrics

What `/metrics` says where the file has an address (`metrics: {address: ...}`). [operating](../operating.md#health-and-metrics) says how they
are meant, `config/prometheus/rules.yaml` has alert rules and `config/grafana/supervisor.json` a dashboard. Counters begin at zero with the
daemon, or with its first address. Families of `supervisor_daemon_process_` are prometheus-client's own, of the daemon as a process.

"""


def page() -> str:
    """The page."""
    lines = table(("metric", "type", "labels", "what"), sorted(_rows()))
    return MADE.format(source="the registry of supervisor/report/metrics.py") + HEAD + "\n".join(lines)


def _rows() -> Iterator[tuple[str, str, str, str]]:
    """Name, type, labels and text of each family of ours."""
    metrics = Metrics()
    metrics.text(_nothing_yet())
    registry = metrics._registry  # noqa: SLF001 # a scrape tells no labels of what has not happened yet
    collectors = [c for c in registry._collector_to_names if isinstance(c, MetricWrapperBase)]  # noqa: SLF001 # as above
    labels = {c._name: tuple(c._labelnames) for c in collectors}  # noqa: SLF001 # as above
    for family in registry.collect():
        if not family.name.startswith("supervisor_daemon_process_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found = labels.get(family.name, getattr(family, "_labelnames", ()))
            yield f"`{name}`", family.type, ", ".join(found), family.documentation


def _nothing_yet() -> Moment:
    state = machine.initial(NodeName("web-1"), now=Instant(0.0))
    return Moment(
        state=state, now=Instant(0.0), version="0", loop_lag_seconds=0.0, longest_gap_seconds=0.0, log_lines_lost={}
    )
