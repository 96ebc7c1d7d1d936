"""What a run keeps: the schema, reading it back, and how a target is judged."""

import json
import re
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from bench.__main__ import together
from bench.harness import plot, table
from bench.harness.result import BARE, OURS, SCHEMA, Metric, Report, Target, from_json, is_rival

MACHINE = {"cpu": "2 x a processor", "etcd": "3.5.1"}


def metric(**more: object) -> Metric:
    found: dict[str, object] = {
        "row": "switchover", "name": "gap", "unit": "ms",
        "samples": {OURS: (20.0, 22.0, 24.0), "etcdctl lock": (20.0, 20.0, 21.0), f"{BARE}: its own start": (9.0,)},
        "target": Target(kind="ratio", most=1.2), "limit": "two round trips",
    }  # fmt: skip
    return Metric(**{**found, **more})  # type: ignore[arg-type]


def report(*metrics: Metric, **more: object) -> Report:
    found: dict[str, object] = {"began": "2026-01-01T00:00:00+00:00", "mode": "quick", "machine": MACHINE}
    return Report(**{**found, "metrics": metrics, **more})  # type: ignore[arg-type]


def test_what_is_kept_is_what_the_schema_says_and_can_be_read_back() -> None:
    before = report(
        metric(missing={"conch": "no binary was given"}), metric(name="more", target=None), failed={"moves": "no root"}
    )
    said = json.loads(json.dumps(before.as_json()))
    jsonschema.Draft202012Validator(SCHEMA, format_checker=None).validate(said)
    assert from_json(said) == before


def test_the_schema_refuses_what_no_run_writes() -> None:
    said = report(metric()).as_json()
    said["metrics"][0]["samples"][OURS] = ["fast"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(said, SCHEMA)


def test_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="schema 99"):
        from_json({**report(metric()).as_json(), "schema": 99})


@pytest.mark.parametrize(
    ("target", "higher", "held"),
    [
        (Target(kind="ratio", most=1.2), False, True),  # 22 to 20
        (Target(kind="ratio", most=1.05), False, False),
        (Target(kind="ratio", most=1.05), True, True),
        (Target(kind="ratio", most=1.2, against=("naive",)), False, None),  # which is not there
        (Target(kind="value", most=22.0), False, True),
        (Target(kind="value", most=21.9), False, False),
        (None, False, None),
    ],
)  # fmt: skip
def test_a_target_is_judged_by_the_medians_of_the_run(
    target: Target | None, *, higher: bool, held: bool | None
) -> None:
    assert metric(target=target, higher_is_better=higher).holds() is held


def test_without_our_figure_nothing_is_said_to_hold() -> None:
    assert metric(samples={"etcdctl lock": (1.0,)}).holds() is None


def test_a_bare_limit_is_no_rival_and_supervisord_is_one() -> None:
    assert is_rival("supervisord")
    assert not is_rival("supervisor: until it was seen")
    assert metric().rivals() == ["etcdctl lock"]
    assert metric().best_rival() == "etcdctl lock"


def test_the_tables_say_median_spread_ratio_verdict_and_what_is_missing() -> None:
    out = StringIO()
    table.terminal(
        report(metric(missing={"conch": "no binary was given"}), failed={"moves": "no root"}),
        Console(file=out, width=120),
    )
    text = re.sub(r"\s+", " ", out.getvalue())
    for words in (
        "20.0 - 24.0",
        "0.91",
        "holds",
        "no binary was given",
        "two round trips",
        "moves: not measured: no root",
    ):
        assert words in text, text
    assert "| etcdctl lock | 20.0 |" in table.markdown([metric()])
    assert "MISSED" in table.markdown([metric(target=Target(kind="value", most=1.0))])


def test_a_plot_is_an_svg_with_every_side(tmp_path: Path) -> None:
    (file,) = plot.draw(report(metric()), tmp_path)
    text = file.read_text()
    assert file.name == "switchover.svg"
    assert text.startswith("<svg")
    assert all(side in text for side in (OURS, "etcdctl lock"))
    assert "<script" not in text


def test_two_runs_become_one_and_the_later_word_counts(tmp_path: Path) -> None:
    one = report(metric(samples={OURS: (1.0,), "a": (2.0,)}, missing={"b": "later"}), failed={"gone": "a reason"})
    two = report(metric(samples={OURS: (3.0,), "b": (4.0,)}))
    files = [tmp_path / "1", tmp_path / "2"]
    for file, kept in zip(files, (one, two), strict=True):
        file.write_text(json.dumps(kept.as_json()))
    (found,) = together(files).metrics
    assert found.samples == {OURS: (3.0,), "a": (2.0,), "b": (4.0,)}
    assert not found.missing
    assert together(files).failed == {"gone": "a reason"}


def test_a_page_gets_new_figures_and_keeps_its_words() -> None:
    page = "words\n<!-- row: switchover -->\nbygone\n<!-- end -->\nmore\n<!-- row: other -->\nkept\n<!-- end -->\n<!-- row: machine -->\n<!-- end -->\n"
    filled = table.fill(page, report(metric()))
    assert "bygone" not in filled
    assert "| etcdctl lock | 20.0 |" in filled
    assert "kept" in filled
    assert "- cpu: 2 x a processor" in filled
    assert table.fill(filled, report(metric())) == filled
    assert filled.startswith("words\n")
