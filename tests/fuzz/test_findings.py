"""What fuzzing and reading have found, and where fuzzing begins: every input again, without a fuzzer. And the fuzzer itself."""

import random
from pathlib import Path

import pytest

from supervisor.pb import control_pb2
from tests.fuzz import one
from tests.fuzz.targets import TARGETS

HERE = Path(__file__).parent
INPUTS = sorted(path for kind in ("seeds", "findings") for path in (HERE / kind).rglob("*") if path.is_file())
METHODS = [m.name for m in control_pb2.DESCRIPTOR.services_by_name["Control"].methods]


def call(name: str, /, **fields: object) -> bytes:
    """An input of the target ``control``."""
    number = METHODS.index(name)
    kind = control_pb2.DESCRIPTOR.services_by_name["Control"].methods_by_name[name].input_type.name
    message = getattr(control_pb2, kind)(**fields)
    return bytes([number, *message.SerializeToString()])


@pytest.mark.parametrize("path", INPUTS, ids=lambda p: "/".join(p.parts[-3:]))
def test_nothing_is_found_twice(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_seeds() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)


@pytest.mark.parametrize(
    "request_",
    [
        call("History"),
        call("History", election="x" * 1_000_000),
        call("Resign", election="x" * 1_000_000),
        call("Restart", process="y" * 1_000_000),
        call("Observe", elections=["billing"] * 300_000),
        call("Logs", processes=["api"] * 300_000),
        call("Events", elections=["billing"] * 300_000),
        call("Plan", content=b"a", name="n" * 1_000_000, key="\u00e9" * 1000),
    ],
    ids=[
        "no-name", "history", "resign", "restart", "observe-many", "logs-many", "events-many", "plan",
    ],
)  # fmt: skip
def test_requests_that_are_far_too_large_cost_an_answer(request_: bytes) -> None:
    TARGETS["control"](request_)


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_without_a_fuzzer(target: str) -> None:
    """A hundred blind changes of the seeds, the same each time: the targets work where atheris does not."""
    seeds = [p.read_bytes() for p in INPUTS if p.parent.name == target]
    chance = random.Random(8)
    for _ in range(100):
        TARGETS[target](one.changed(chance.choice(seeds), chance.choice(seeds), chance)[:4096])
