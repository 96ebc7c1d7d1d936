"""Metrics, and what is made of them: every name that the dashboard and the alert rules use exists, and says what it should."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from supervisor.core import events as ev
from supervisor.core import happenings, machine
from supervisor.core import operator_events as oev
from supervisor.core.names import ElectionName, Instant
from supervisor.core.state import State
from supervisor.report.metrics import Metrics, Moment
from tests.core.world import World, election, spec

CONFIG = Path(__file__).parents[2] / "config"
RULES = CONFIG / "prometheus" / "rules.yaml"
JOB = ElectionName("job")
_NAME = re.compile(r"\bsupervisor_[a-z_]+")
_PARTS = re.compile(r"_(bucket|count|sum|created)$")


class Watched(World):
    """A world whose steps are counted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.metrics = Metrics()

    def scrape(self) -> str:
        moment = Moment(
            state=self.state,
            now=Instant(self.now),
            version="1",
            loop_lag_seconds=0.25,
            longest_gap_seconds=0.0,
            log_lines_lost={"job/work": 3},
        )
        return self.metrics.text(moment).decode()

    def _step(self, event: ev.Event) -> None:
        before = self.state
        super()._step(event)
        now = Instant(self.now)
        found = happenings.of_step(before, event, self.state, now=now)
        self.metrics.note(before, event, self.state, found, now)


def lived() -> Watched:
    """A life with a lease renewed, a restart, a resignation and a second term."""
    world = Watched()
    world.load(spec(election()))
    world.advance(10.0)
    world.crash("job/work", code=1, signal=None)
    world.advance(5.0)
    world.post(oev.ResignRequested(election=JOB))
    world.advance(5.0)
    return world


def value(text: str, sample: str) -> float:
    line = next(line for line in text.splitlines() if line.startswith(sample + " "))
    return float(line.split()[-1])


def test_a_life_is_counted() -> None:
    text = lived().scrape()
    assert value(text, 'supervisor_terms_total{election="job"}') == 2
    assert value(text, 'supervisor_term_ends_total{election="job",lost="false"}') == 1
    assert value(text, 'supervisor_leader{election="job"}') == 1
    assert value(text, 'supervisor_election_phase{election="job",phase="leading"}') == 1
    assert value(text, 'supervisor_process_restarts_total{election="job",process="job/work"}') == 1
    assert value(text, 'supervisor_gap_seconds_count{election="job",whole="true"}') == 1
    assert value(text, 'supervisor_renewal_seconds_count{ttl="10"}') > 2
    assert 0 < value(text, 'supervisor_lease_margin_worst_seconds{ttl="10"}') < 10
    assert value(text, 'supervisor_lease_margin_seconds{ttl="10"}') > 0
    assert value(text, "supervisor_loop_lag_seconds") == 0.25
    assert value(text, 'supervisor_log_lines_dropped_total{process="job/work"}') == 3
    assert value(text, 'supervisor_events_total{kind="term-won"}') == 2


def test_what_is_gone_from_the_file_is_gone_from_the_metrics() -> None:
    world = lived()
    world.load(spec())
    world.advance(5.0)
    assert '"job"' not in world.scrape()


def used() -> dict[str, set[str]]:
    """The metrics that each file names."""
    dashboard = json.loads((CONFIG / "grafana" / "supervisor.json").read_text())
    queries = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    queries += [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    rules = [line.partition("expr:")[2] for line in RULES.read_text().splitlines() if "expr:" in line]
    return {"dashboard": set(_NAME.findall(" ".join(queries))), "rules": set(_NAME.findall(" ".join(rules)))}


def exported() -> set[str]:
    """Every name that a scrape shows: with the suffixes of counters, and of histograms."""
    text = lived().scrape()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    histograms = {
        line.split()[2] for line in text.splitlines() if line.startswith("# TYPE") and line.endswith("histogram")
    }
    return names | {f"{name}_bucket" for name in histograms}


@pytest.mark.parametrize("what", ["dashboard", "rules"])
def test_no_query_names_a_metric_that_is_not_there(what: str) -> None:
    names = used()[what]
    assert len(names) > 8
    assert names <= exported()


def test_the_documentation_names_every_metric_and_no_other() -> None:
    text = (CONFIG.parent / "docs" / "operating.md").read_text()
    told = {_PARTS.sub("", name) for name in re.findall(r"`(supervisor_(?!daemon_)[a-z_]+)", text)}
    ours = {
        name
        for name in exported()
        if not name.endswith("_bucket") and "_daemon_" not in name and not name.endswith("_created")
    }
    assert told == ours


def test_every_panel_has_a_place_and_its_queries_a_letter_each() -> None:
    dashboard = json.loads((CONFIG / "grafana" / "supervisor.json").read_text())
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(places)) == len(places) == len({p["id"] for p in dashboard["panels"]})
    for panel in dashboard["panels"]:
        letters = [t["refId"] for t in panel["targets"]]
        assert len(set(letters)) == len(letters)


@pytest.mark.parametrize("arguments", [("check", "rules", "rules.yaml"), ("test", "rules", "rules_test.yaml")])
def test_promtool_accepts_the_rules_and_they_fire_as_they_should(arguments: tuple[str, ...]) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool: apt-get download prometheus, and unpack it")
    done = subprocess.run(["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_scrape_before_anything_has_happened_is_whole() -> None:
    state: State = machine.initial(spec().node, now=Instant(1.0))
    moment = Moment(
        state=state, now=Instant(1.0), version="1", loop_lag_seconds=0, longest_gap_seconds=0, log_lines_lost={}
    )
    assert b"supervisor_config_generation 0.0" in Metrics().text(moment)
