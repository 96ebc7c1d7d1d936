"""``nodes``: one file for a fleet; each node gets its own, and each mistake its own place."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.config.load import listed_nodes, load
from supervisor.config.problems import ConfigError, Problem
from supervisor.core.names import ElectionName, ProcessName
from supervisor.core.spec import Spec
from tests.config.marked import load_text, unmarked

BASE = """\
elections:
  billing: {ttl: 10s, leader: {processes: {api: {command: [api, --fast], environment: {A: "1", B: "2"}}}}}
  shop: {}
processes: {exporter: {command: exporter}}
"""


def spec_of(directory: Path, text: str, node: str, **environ: str) -> Spec:
    return load_text(directory, text, environ=environ, hostname=node).spec


def problems_of(directory: Path, text: str, node: str, **environ: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as refused:
        load_text(directory, text, environ=environ, hostname=node)
    return refused.value.problems


def check(directory: Path, text: str, node: str, *fragments: str) -> None:
    """As ``check_marked``, for a node."""
    clean, places = unmarked(text)
    found = problems_of(directory, clean, node)
    assert [(p.line, p.column) for p in found] == places, "\n".join(map(str, found))
    for problem, fragment in zip(found, fragments, strict=True):
        assert fragment in str(problem)
        assert problem.remedy


# --- what a node runs ------------------------------------------------------------------------------------------------


def test_mappings_are_merged_and_lists_and_values_replaced(tmp_path: Path) -> None:
    text = BASE + (
        "nodes:\n  web-1:\n    elections:\n      billing:\n        ttl: 20s\n"
        "        leader: {processes: {api: {command: [api, --slow, --safe], environment: {B: '3', C: '4'}}}}\n"
    )
    election = spec_of(tmp_path, text, "web-1").elections[ElectionName("billing")]
    api = election.leader[ProcessName("api")]
    assert election.ttl_seconds == 20
    assert api.command == ("api", "--slow", "--safe")
    assert api.environment == {"A": "1", "B": "3", "C": "4"}
    assert spec_of(tmp_path, text, "web-2") == spec_of(tmp_path, BASE, "web-2")


def test_a_tilde_removes_and_nothing_written_removes_nothing(tmp_path: Path) -> None:
    text = BASE + (
        "nodes:\n"
        "  web-1: {elections: {billing: ~, shop: null}}\n"
        "  web-2:\n    elections:\n      billing:\n        # ttl: 20s\n    processes:\n"
        "  web-3: {processes: ~}\n"
        "  web-4:\n"
    )
    assert not spec_of(tmp_path, text, "web-1").elections
    for same in ("web-2", "web-4", "web-5"):
        assert spec_of(tmp_path, text, same) == spec_of(tmp_path, BASE, same)
    assert not spec_of(tmp_path, text, "web-3").processes


def test_a_node_may_have_more_and_several_may_share_by_an_anchor(tmp_path: Path) -> None:
    text = BASE + (
        "nodes:\n  db-1: &db {processes: {backup: {command: backup}, exporter: {instances: 2}}}\n  db-2: *db\n"
    )
    for node in ("db-1", "db-2"):
        assert {*spec_of(tmp_path, text, node).processes} == {"backup", "exporter-1", "exporter-2"}
    assert {*spec_of(tmp_path, text, "web-1").processes} == {"exporter"}


def test_the_name_is_the_one_given_the_files_or_the_hosts(tmp_path: Path) -> None:
    text = "node: ${NAME:-web-1}\n" + BASE + "nodes: {web-1: {processes: ~}, web-2: {elections: ~}}\n"
    assert not spec_of(tmp_path, text, "other").processes
    assert not spec_of(tmp_path, text, "other", NAME="web-2").elections
    assert not load_text(tmp_path, text, node="web-2").spec.elections


def test_of_other_nodes_neither_variables_nor_programs_are_looked_at(tmp_path: Path) -> None:
    text = BASE + (
        "nodes:\n  web-1: {processes: {p: {command: '${NOT_HERE}'}}}\n  web-2: {processes: {p: {command: /no/such}}}\n"
    )
    assert spec_of(tmp_path, text, "web-3").processes
    assert "NOT_HERE is not set" in str(problems_of(tmp_path, text, "web-1")[0])
    assert "'/no/such' does not exist" in str(problems_of(tmp_path, text, "web-2")[0])
    elsewhere = load(tmp_path / "supervisor.yaml", environ={}, node="web-2", hostname="web-1", here=False)
    assert ProcessName("p") in elsewhere.spec.processes


def test_included_files_may_bring_nodes_each_of_which_has_one_place(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes.d"
    nodes.mkdir()
    text = BASE + "include: [nodes.d/*.yaml]\nnodes: {web-1: {elections: {shop: ~}}}\n"
    (nodes / "web-2.yaml").write_text("nodes: {web-2: {elections: {billing: ~}}}\n")
    assert {*spec_of(tmp_path, text, "web-1").elections} == {"billing"}
    assert {*spec_of(tmp_path, text, "web-2").elections} == {"shop"}
    (nodes / "web-3.yaml").write_text("nodes:\n  web-1: {processes: ~}\n")
    (problem,) = problems_of(tmp_path, text, "web-9")
    assert (problem.file, problem.line, problem.column) == (str(nodes / "web-3.yaml"), 2, 3)
    assert "'web-1' is declared twice" in problem.message


leaves = st.sampled_from(["a", "b", "c"])
values = st.dictionaries(leaves, st.text("xyz", min_size=1, max_size=3), max_size=3)


@settings(deadline=None, max_examples=60)
@given(base=values, changed=st.dictionaries(leaves, st.none() | st.text("xyz", min_size=1, max_size=3), max_size=3))
def test_what_comes_of_it_is_a_file_written_for_the_node(
    tmp_path_factory: pytest.TempPathFactory, base: dict[str, str], changed: dict[str, str | None]
) -> None:
    directory = tmp_path_factory.mktemp("merge")
    changed = {key: value for key, value in changed.items() if value is not None or key in base}
    merged = {key: value for key, value in {**base, **changed}.items() if value is not None}

    def environment(found: dict[str, str] | dict[str, str | None]) -> str:
        inside = ", ".join(f"{key}: {'~' if value is None else value}" for key, value in found.items())
        return f"environment: {{{inside}}}"

    text = f"processes: {{p: {{command: x, {environment(base)}}}}}\n"
    overlaid = text + f"nodes: {{n: {{processes: {{p: {{{environment(changed)}}}}}}}}}\n"
    alone = f"processes: {{p: {{command: x, {environment(merged)}}}}}\n"
    assert spec_of(directory, overlaid, "n") == spec_of(directory, alone, "n")


# --- mistakes --------------------------------------------------------------------------------------------------------


def test_each_mistake_is_at_its_place_in_the_overlay(tmp_path: Path) -> None:
    text = BASE + (
        "nodes:\n  web-1:\n    elections:\n      ¤shoop: ~\n      billing: {¤tll: 5s, safety_margin: ¤never}\n"
        "      shop: ¤7\n    processes: {¤exporter: {command: ~}, more: {command: x, environment: {¤X: ~}}}\n"
    )
    check(
        tmp_path, text, "web-1", "did you mean 'shop'", "did you mean 'ttl'", "never", "shop", "'command' is missing",
        "there is no 'X' to remove",
    )  # fmt: skip


def test_a_budget_that_the_overlay_breaks_is_the_overlays_problem(tmp_path: Path) -> None:
    text = BASE + "nodes: {web-1: {elections: {billing: {lost_grace: ¤5s}}}}\n"
    check(tmp_path, text, "web-1", "the ttl is too short")


def test_names_and_keys_are_judged_for_every_node(tmp_path: Path) -> None:
    text = BASE + (
        "nodes:\n  web-1: {¤include: [x], ¤process: {}, ¤node: x}\n  ¤'a b': {}\n  web-2: ¤[]\n  web-3: ¤~\n"
    )
    check(
        tmp_path, text, "web-9", "'include' cannot differ", "did you mean 'processes'", "'node' cannot differ",
        "cannot be a name", "a mapping is expected", "cannot be removed",
    )  # fmt: skip
    check(tmp_path, BASE + "nodes: ¤[web-1]\n", "web-9", "names are expected")


def test_a_node_that_is_not_listed_may_be_refused(tmp_path: Path) -> None:
    listed = BASE + "unlisted_nodes: refuse\nnodes: {web-1: {}, web-2: }\n"
    assert spec_of(tmp_path, listed, "web-2") == spec_of(tmp_path, BASE, "web-2")
    check(tmp_path, listed.replace("nodes: {", "¤nodes: {"), "wbe-1", "did you mean 'web-1'?")
    check(tmp_path, BASE + "unlisted_nodes: ¤refuse\n", "web-1", "list the nodes")
    check(tmp_path, BASE + "unlisted_nodes: ¤strict\n", "web-1", "not one of run, refuse")
    assert spec_of(tmp_path, listed.replace("refuse", "run"), "web-9") == spec_of(tmp_path, BASE, "web-9")


def test_who_is_listed_is_known_of_a_file_with_problems_too(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("node: web-2\nelection: {}\nunlisted_nodes: refuse\nnodes: {web-1: {x: 1}, web-2: {}}\n")
    found = listed_nodes(path, environ={}, hostname="h")
    assert (found.names, found.own, found.runs_unlisted) == (("web-1", "web-2"), "web-2", False)
    path.write_text("[")
    found = listed_nodes(path, environ={}, hostname="h")
    assert (found.names, found.own, found.runs_unlisted) == ((), "h", True)
