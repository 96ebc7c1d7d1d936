"""The guardian's own dataclass: as strict as the standard library's."""

import pytest

from supervisor.guardian.record import changing_record, record


@record
class Point:
    """Frozen."""

    x: int
    y: int = 2

    @property
    def total(self) -> int:
        return self.x + self.y


@record
class Other:
    x: int
    y: int = 2


@changing_record
class Counter:
    count: int = 0


def test_fields_defaults_methods_and_text() -> None:
    point = Point(x=1)
    assert (point.x, point.y, point.total, point.__doc__) == (1, 2, 3, "Frozen.")
    assert repr(point) == "Point(x=1, y=2)"
    assert not hasattr(point, "__dict__")
    match point:
        case Point(x=x):
            assert x == 1


def test_equal_when_class_and_fields_are() -> None:
    assert Point(x=1) == Point(x=1, y=2)
    assert Point(x=1) != Point(x=2)
    other: object = Other(x=1)
    assert Point(x=1) != other
    assert {Point(x=1): 1}[Point(x=1)] == 1


@pytest.mark.parametrize("fields", [{}, {"x": 1, "z": 2}, {"y": 1}])
def test_missing_and_unknown_fields_are_named(fields: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="Point: missing or unknown: "):
        Point(**fields)


def test_frozen_unless_it_is_to_change() -> None:
    with pytest.raises(AttributeError, match=r"Point\.x never changes"):
        Point(x=1).x = 3  # type: ignore[misc]
    counter = Counter()
    counter.count += 1
    assert counter == Counter(count=1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)
