"""Our ``replace`` does what the library's does."""

import dataclasses

import pytest

from supervisor.core.evolve import replace
from supervisor.core.names import Instant
from supervisor.core.state import Election, Session
from tests.core.world import election


def test_as_the_library_s() -> None:
    e = Election(spec=election())
    for changes in ({}, {"cause": "won"}, {"since": Instant(3.0), "proofs": 2, "departed": ()}):
        assert replace(e, **changes) == dataclasses.replace(e, **changes)
    assert e == Election(spec=election()), "the original is as it was"
    assert hash(replace(Session(ttl_seconds=5), ttl_seconds=6)) == hash(Session(ttl_seconds=6))


def test_a_name_that_is_no_field() -> None:
    with pytest.raises(TypeError, match="Session has no field lease_id"):
        replace(Session(ttl_seconds=5), lease_id=7)  # type: ignore[call-arg]
