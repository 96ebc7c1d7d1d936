"""Every test of real processes runs in both containments, where the machine has both."""

import os
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import pytest

from supervisor.guardian import cgroup
from tests.guardian.harness import Duty, on_duty


@cache
def no_cgroup() -> str:
    """Why there are no cgroups for us, or nothing."""
    try:
        cgroup.remove(cgroup.create(f"test-{os.getpid()}"))
    except cgroup.CgroupUnusableError as error:
        return str(error)
    return ""


@pytest.fixture(params=["cgroup", "session"])
def containment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kind that guardians of this test use."""
    kind = str(request.param)
    if kind == "cgroup" and (reason := no_cgroup()):
        pytest.skip(f"no writable cgroup v2: {reason}")
    if kind == "session":
        monkeypatch.setenv("SUPERVISOR_CONTAINMENT", "session")
    return kind


@pytest.fixture
async def duty(containment: str, tmp_path: Path) -> AsyncIterator[Duty]:
    """A guardian on duty."""
    async with on_duty(tmp_path / "state") as duty:
        assert duty.link.ready.containment == containment
        yield duty
