"""``run`` without click means what ``run`` with click does, or is left to click."""

from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from supervisor.cli import main as command
from supervisor.cli import run as verb
from supervisor.cli.entry import plain
from supervisor.daemon.handover import Orders

ENVIRON = {"SUPERVISOR_SOCKET": "/run/there/s", "SUPERVISOR_STATE_DIR": "/var/there"}


def by_click(arguments: list[str]) -> Orders:
    """What click makes of it."""
    taken: list[Orders] = []
    with patch.object(verb, "hand_over", taken.append):
        CliRunner().invoke(command.supervisor, arguments, env=ENVIRON, catch_exceptions=False)
    (orders,) = taken
    return orders


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "a.yaml"],
        ["run", "/etc/a.yaml", "--node", "n", "--socket", "s", "--state-dir", "d"],
        ["run", "--node=n", "a.yaml", "--socket=/run/s", "--state-dir=../d", "--last-good"],
        ["run", "--insecure-permissions", "--node", "one", "--node", "two"],
    ],
)
def test_plain_words_mean_what_they_mean_to_click(arguments: list[str]) -> None:
    orders = plain(arguments, ENVIRON, 0)
    assert orders == by_click(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["status"],
        ["run", "--help"],
        ["run", "--wait-etcd", "5s"],
        ["run", "--nod", "n"],
        ["run", "a", "b"],
        ["run", "--node"],
        ["run", "--node", "-x"],
        ["run", "--node="],
        ["run", "--last-good=yes"],
        ["run", "--", "a"],
        ["--socket", "s", "run", "a"],
    ],
)
def test_the_rest_is_clicks(arguments: list[str]) -> None:
    assert plain(arguments, ENVIRON, 0) is None


def test_a_place_that_cannot_be_trusted_is_clicks_to_explain(tmp_path: Path) -> None:
    assert plain(["run", str(tmp_path)], {}, 12345) is None
