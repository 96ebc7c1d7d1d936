"""Data classes that are made lazily are as others are."""

import dataclasses
import pickle
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, dataclass, field

import pytest

from supervisor import lazily


@pytest.fixture(params=[False, True])
def lazy(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Both ways, so that the tests say of both the same."""
    made = dataclasses._create_fn  # type: ignore[attr-defined]
    if request.param:
        assert lazily.make_methods_lazily()
    yield request.param
    dataclasses._create_fn = made  # type: ignore[attr-defined]


@pytest.mark.usefixtures("lazy")
def test_they_do_what_others_do() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Point:
        """A point."""

        x: int
        y: int = 0
        names: tuple[str, ...] = field(default_factory=tuple)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Further(Point):
        """A point, further."""

        z: int

    one = Point(x=1)
    assert (one.x, one.y, one.names) == (1, 0, ())
    assert one == Point(x=1)
    assert one != Point(x=2)
    assert hash(one) == hash(Point(x=1))
    assert repr(one).endswith("Point(x=1, y=0, names=())")
    assert dataclasses.replace(one, y=3) == Point(x=1, y=3)
    assert Further(x=1, z=2) != one
    assert Further(x=1, z=2).z == 2
    with pytest.raises(FrozenInstanceError):
        one.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del one.x
    with pytest.raises(TypeError, match=r"Point.__init__\(\) missing 1 required keyword-only argument: 'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'q'"):
        Point(x=1, q=1)  # type: ignore[call-arg]


@dataclass
class Plain:
    """Neither frozen nor slotted."""

    a: int
    b: list[int] = field(default_factory=list)


def test_plain_ones_order_and_pickle(lazy: bool) -> None:
    @dataclass(order=True)
    class Ordered:
        """One that has an order."""

        a: int

        def __post_init__(self) -> None:
            self.a += lazy - lazy

    assert Ordered(1) < Ordered(2)
    assert sorted([Ordered(2), Ordered(1)]) == [Ordered(1), Ordered(2)]
    assert pickle.loads(pickle.dumps(Plain(1))) == Plain(1)  # our own
    with pytest.raises(TypeError, match="unhashable"):
        hash(Plain(1))


def test_a_method_is_made_once_and_then_its_own(lazy: bool) -> None:
    @dataclass
    class One:
        """One."""

        a: int

    before = One.__dict__["__init__"]
    One(1)
    after = One.__dict__["__init__"]
    assert (before is after) is not lazy
    assert after.__name__ == "__init__"
    assert after.__qualname__.endswith("One.__init__")


def test_another_standard_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazily, "_create", None)
    assert not lazily.make_methods_lazily()
    monkeypatch.setattr(lazily, "_create", lambda _name: None)
    assert not lazily.make_methods_lazily()
