"""What one side says, the other understands; anything else is refused by name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.guardian import protocol

MESSAGES = [protocol._BY_NAME[name] for name in protocol._BY_NAME]
TEXT = st.text(max_size=20)
# A byte of argv that is not UTF-8 is a lone surrogate in Python.
NUMBER = st.integers(-(2**62), 2**63 - 1)
VALUES: dict[object, st.SearchStrategy[object]] = {
    int: NUMBER,
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: TEXT | st.just("\udcff"),
    bool: st.booleans(),
    int | None: st.none() | NUMBER,
    str | None: st.none() | TEXT,
    dict[str, object] | None: st.none()
    | st.dictionaries(TEXT, st.recursive(NUMBER | TEXT | st.booleans(), st.lists, max_leaves=4), max_size=4),
    tuple[str, ...]: st.lists(TEXT, max_size=4).map(tuple),
    tuple[int, ...] | None: st.none() | st.lists(NUMBER, max_size=4).map(tuple),
    tuple[tuple[str, str], ...]: st.lists(st.tuples(TEXT, TEXT), max_size=4).map(tuple),
    tuple[tuple[int, int, int], ...]: st.lists(st.tuples(NUMBER, NUMBER, NUMBER), max_size=4).map(tuple),
    tuple[tuple[int, float], ...]: st.lists(
        st.tuples(NUMBER, st.floats(allow_nan=False, allow_infinity=False)), max_size=4
    ).map(tuple),
}


def messages() -> st.SearchStrategy[protocol.Message]:
    strategies = [
        st.builds(build, **{name: VALUES[kind] for name, kind in build.__annotations__.items()}) for build in MESSAGES
    ]
    return st.one_of(strategies)


@given(messages())
def test_round_trip(message: protocol.Message) -> None:
    assert protocol.decode(protocol.encode(message)) == message


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"v":99,"type":"Quit"}', "version 99"),
        (b'{"v":3,"type":"Dance"}', "unknown type 'Dance'"),
        (b'{"v":3,"type":[]}', "unknown type"),
        (b'{"v":3,"type":"Kill"}', "Kill lacks run"),
        (b'{"v":3,"type":"Kill","run":true}', "Kill.run: expected a whole number"),
        (b'{"v":3,"type":"Disarm","term":5}', "Disarm.term: expected text"),
    ],
)
def test_refuses_by_name(packet: bytes, said: str) -> None:
    with pytest.raises(protocol.ProtocolError, match=said):
        protocol.decode(packet)


def test_too_large_says_how_large() -> None:
    with pytest.raises(protocol.TooLargeError, match=str(protocol.MAX_PACKET_BYTES)):
        protocol.encode(protocol.Dropped(reason="x" * protocol.MAX_PACKET_BYTES))


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | TEXT, st.lists).map(lambda v: json.dumps(v).encode())
)
def test_garbage_is_a_protocol_error(packet: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.decode(packet)
