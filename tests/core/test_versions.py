"""Which etcd is warned of, and with which version to take instead."""

import pytest

from supervisor.core import store_events as sev
from supervisor.core import versions
from supervisor.core.names import ElectionName
from supervisor.report import transitions
from tests.core.world import World, election, spec


@pytest.mark.parametrize(
    ("version", "mended", "count"),
    [
        ("3.4.23", "3.4.42", 5),
        ("3.4.18", "3.4.42", 6),
        ("3.5.1", "3.5.28", 7),
        ("3.5.3", "3.5.28", 6),
        ("3.5.13", "3.5.28", 3),
        ("3.5.23", "3.5.28", 1),
        ("3.6.0", "3.6.9", 2),
        ("3.6.5", "3.6.9", 1),
        ("3.5.28-rc.0", "", 0),
        ("3.4.45", "", 0),
        ("3.5.30", "", 0),
        ("3.6.9", "", 0),
        ("3.7.0", "", 0),
        ("4.0.0", "", 0),
        ("", "", 0),
        ("unknown", "", 0),
    ],
)
def test_versions(version: str, mended: str, count: int) -> None:
    assert len(versions.faults(version)) == count
    warning = versions.warning(version)
    assert (f"all mended in {mended}:" in warning) if mended else (warning == "")


def test_one_that_is_too_old_is_said_to_be() -> None:
    assert "older than 3.4" in versions.warning("3.3.27")


def test_every_release_line_of_a_fault_is_reachable() -> None:
    for fault in versions.FAULTS:
        for (major, minor), patch in fault.mended.items():
            assert fault in versions.faults(f"{major}.{minor}.{patch - 1}")
            assert fault not in versions.faults(f"{major}.{minor}.{patch}")


def seen(*of: str) -> sev.EndpointsSeen:
    sights = tuple(
        sev.EndpointSight(endpoint=f"http://{n}:1", well=True, cluster="c", version=v) for n, v in enumerate(of)
    )
    return sev.EndpointsSeen(cluster="c", endpoints=sights)


def test_a_version_is_warned_of_once() -> None:
    world = World()
    world.load(spec(election()))
    said: list[str] = []
    for event in (seen("3.5.1", ""), seen("3.5.1", "3.5.1"), seen("3.5.1", "3.6.9"), seen("3.5.2", "3.6.9")):
        before = world.state
        world.post(event)
        said += [line.message for line in transitions.lines(before, event, world.state)]
    assert [line.split(" has ")[0] for line in said] == ["etcd 3.5.1", "etcd 3.5.2"]
    assert world.state.elections[ElectionName("job")].leading
