"""``docs/status.md`` names every field of the JSON."""

import dataclasses
from pathlib import Path

import pytest

from supervisor.cli import fleet
from supervisor.control import views

TEXT = (Path(__file__).parents[2] / "docs" / "status.md").read_text()
SHOWN = (
    views.Status, views.Reason, views.Daemon, views.Config, views.Store, views.Endpoint, views.Session, views.Election,
    views.Leader, views.Process, views.Exit, fleet.Standing,
)  # fmt: skip


@pytest.mark.parametrize("view", SHOWN)
def test_every_field_is_told(view: type) -> None:
    missing = [f.name for f in dataclasses.fields(view) if f"`{f.name}`" not in TEXT]
    assert not missing
