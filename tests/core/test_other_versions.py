"""What other versions, and strangers, may have written: read leniently, or taken for what may still run."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import document, records
from supervisor.core.events import TermRecord
from supervisor.core.history import Page, stories
from supervisor.core.names import NodeName, Token
from supervisor.core.records import Mark

FUTURE = {"v": 2, "epoch": {"of": [1]}, "sealed": "yes"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def record(**told: object) -> TermRecord:
    return TermRecord(token=Token(7), value=json.dumps(told).encode())


def read(**told: object) -> records.Told:
    return records.read(record(**told), otherwise_ttl_seconds=5.0)


def test_a_later_version_says_at_least_what_this_one_does() -> None:
    assert document.node_of(json.dumps({**FUTURE, "node": "web-1"}).encode()) == NodeName("web-1")
    told = read(**FUTURE, mark="stopped", node="web-1", ttl=9, margin=1)
    assert (told.mark, told.node, told.ttl_seconds, told.margin_seconds) == (Mark.STOPPED, "web-1", 9.0, 1.0)


@pytest.mark.parametrize("mark", ["retired", "", None, 3, ["stopped"], {"stopped": True}, "STOPPED"])
def test_a_mark_that_is_not_known_is_no_end(mark: object) -> None:
    assert read(**FUTURE, mark=mark).mark is Mark.STARTED


def test_what_is_not_understood_of_a_record_is_kept_when_it_is_closed() -> None:
    closed = json.loads(records.closed(record(**FUTURE, mark="started", node="web-1")).value)
    assert closed == {**FUTURE, "mark": "over", "node": "web-1"}


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e999, float("nan"), -1, True, "5", None])
def test_no_number_is_too_large_to_be_refused(number: object) -> None:
    assert read(mark="started", ttl=number).ttl_seconds == 5.0
    assert read(mark="started", margin=number).margin_seconds == 0.0
    (story,) = stories([Page(token=Token(7), record=json.dumps({"gap": number}).encode())])
    assert story.gap_seconds is None


@given(JSON, st.sampled_from(["mark", "node", "ttl", "margin", "boot", "home", "gap", "won", "cause", "v"]))
def test_no_value_of_any_field_is_an_error(value: object, field: str) -> None:
    text = json.dumps({"mark": "stopped", "node": "n", "ttl": 5, field: value}).encode()
    records.read(TermRecord(token=Token(7), value=text), otherwise_ttl_seconds=5.0)
    stories([Page(token=Token(7), began=text, record=text)])
    document.node_of(text)
