"""Views and messages say the same, and nothing a stranger writes into etcd breaks them."""

import dataclasses
import json
from dataclasses import replace
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.cli import answers, render, sheet
from supervisor.cli.text import as_json
from supervisor.control import describe, documents, views
from supervisor.control.convert import to_message, to_view
from supervisor.pb import control_pb2
from tests.control import states

PAIRS: list[tuple[type, Descriptor]] = [
    (getattr(views, name), control_pb2.DESCRIPTOR.message_types_by_name[name])
    for name in (
        "Status", "Reason", "Daemon", "Config", "Store", "Endpoint", "Session", "Election", "Leader", "Process", "Reloaded",
        "Resigned", "Restarted", "Observation", "Version", "Planned", "Change", "KeyChange", "Successor",
        "History", "TermStory", "Happening", "Queue", "Standing", "Allowed",
    )
]  # fmt: skip


@pytest.mark.parametrize(("view", "message"), PAIRS, ids=lambda pair: pair.__name__ if isinstance(pair, type) else "")
def test_a_view_and_its_message_have_the_same_fields(view: type, message: Descriptor) -> None:
    hints = get_type_hints(view)
    assert list(hints) == [field.name for field in message.fields]
    for name, hint in hints.items():
        field = message.fields_by_name[name]
        assert field.is_repeated == (get_origin(hint) is tuple), name
        single = field.message_type is None and not field.is_repeated
        plain = field.message_type is None  # an inner message may always be absent
        assert (field.has_presence and single) == (isinstance(hint, UnionType) and plain), name
        assert (field.message_type is not None) == dataclasses.is_dataclass((*get_args(hint), hint)[0]), name


def anything(hint: object) -> st.SearchStrategy[object]:
    """Values of a field's type."""
    if isinstance(hint, UnionType):
        return st.none() | anything(get_args(hint)[0])
    if get_origin(hint) is tuple:
        return st.lists(anything(get_args(hint)[0]), max_size=2).map(tuple)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return st.builds(hint, **{name: anything(inner) for name, inner in get_type_hints(hint).items()})
    simple: dict[object, st.SearchStrategy[object]] = {
        str: st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
    }
    return simple[hint]


@settings(max_examples=40, deadline=None)
@given(anything(views.Status))
def test_every_view_comes_back_as_it_went(status: views.Status) -> None:
    wire = to_message(status, control_pb2.Status()).SerializeToString()
    assert to_view(views.Status, control_pb2.Status.FromString(wire)) == status


@settings(max_examples=20, deadline=None)
@given(anything(views.Planned))
def test_every_plan_comes_back_as_it_went(plan: views.Planned) -> None:
    wire = to_message(plan, control_pb2.Planned()).SerializeToString()
    assert to_view(views.Planned, control_pb2.Planned.FromString(wire)) == plan


def test_half_surrogates_are_mended() -> None:
    view = views.Config(
        source="a\udcffb", generation=1, loaded_age_seconds=None, problems=("\ud800",), rejected_age_seconds=None
    )
    message = to_message(view, control_pb2.Config())
    assert (message.source, list(message.problems)) == ("a?b", ["?"])


HOSTILE = [
    b"", b"null", b"[]", b"{", b"{}", b"\xff\xfe\x00", b"\x00", b"other",
    b'{"node": "x", "value": NaN}', b'{"node": 1}', b'{"node": ""}', b'{"node": ["x"]}', b'{"node": {"node": "x"}}',
    b'{"node": "\\ud800"}', b'{"node": "x", "state": "\\u0000\\u001b[2J"}', b'{"node": "' + b"x" * 10_000 + b'"}',
    b'{"node": "x", "n": 1e999}', b'{"node": "x", "n": ' + b"9" * 10_000 + b"}",
    b'{"node":' + b"[" * 20_000, b'{"a":' * 5_000, b"[" * 1_000_000, b'{"node": "x", "value": "' + b"y" * 1_000_000 + b'"}',
    '{"node": "\u202eevil"}'.encode(), b"\x1b]0;owned\x07", b"\xef\xbb\xbf{}", '{"node": "x"}'.encode("utf-16"),
]  # fmt: skip


def everywhere(value: bytes) -> None:
    """A stranger's value through every way out, none of which may raise or let a control character through."""
    first = states.candidate("search", token=1201, value=value)
    state = states.state(states.following("search", first=first))
    status = describe.status(state, states.FACTS, states.NOW)
    assert len(status.elections[0].leader.value) <= documents.SHOWN_CHARACTERS
    wire = to_message(status, control_pb2.Status()).SerializeToString()
    received = to_view(views.Status, control_pb2.Status.FromString(wire))
    text = as_json(answers.status(received)) + render.plain(sheet.sheet(received)).replace("\n", "")
    assert not set(text) & set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x202E]))
    text.encode()
    e = next(iter(state.elections.values()))
    observed = to_message(describe.observation(state, e, states.NOW), control_pb2.Observation())
    line = as_json(answers.observation(to_view(views.Observation, observed)))
    assert "\n" not in line
    json.loads(line)


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_stranger_breaks_the_status(value: bytes) -> None:
    everywhere(value)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda t: json.dumps({"node": t, "value": t}).encode()))
def test_no_bytes_break_the_status(value: bytes) -> None:
    everywhere(value)


def test_a_document_of_ours_is_read() -> None:
    found = documents.read(states.document("web-2", "leading", "degraded"))
    assert found == documents.Document(node="web-2", state="leading", health="degraded", since="2026-11-24T05:00:00Z")
    assert documents.read(b'{"v": 1}') is None


def test_a_key_that_is_not_utf8_is_shown() -> None:
    odd = replace(states.candidate("search", token=1), key="/supervisor/\udcff")
    state = states.state(states.following("search", first=odd))
    to_message(describe.status(state, states.FACTS, states.NOW), control_pb2.Status()).SerializeToString()


@pytest.mark.parametrize(("view", "message"), PAIRS)
def test_what_another_version_leaves_out_or_adds_is_no_error(view: type[views.View], message: Descriptor) -> None:
    """An older daemon fills less; a newer one sends fields that this command does not know."""
    kind = message_factory.GetMessageClass(message)
    nothing = to_view(view, kind())
    unknown = bytes([0xFA, 0xFF, 0x03, 3]) + b"new"  # field 8191, text
    assert to_view(view, kind.FromString(unknown)) == nothing
