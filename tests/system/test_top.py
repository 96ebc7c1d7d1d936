"""``supervisor top`` with real daemons and a real etcd: a key moves the leader, and the view outlives its daemon."""

from pathlib import Path

import pytest

from supervisor.cli.live.app import Top
from supervisor.control.client import Client
from tests.cli.live.test_top import Screen
from tests.system.nodes import Make, Node, beats, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]


def fleet(node: Make, text: str) -> tuple[Node, Node]:
    one = node("one", text)
    until(lambda: "job: became leader" in one.says(), "the first leads")
    two = node("two", text)
    until(lambda: one.election()["queue_length"] == 2, "two candidates")
    return one, two


def top_of(node: Node) -> Top:
    with Client(node.socket) as connected:
        return Top(lambda: Client(node.socket), first=connected.status())


async def test_resigning_by_key_moves_the_leader(node: Make, text: str, tmp_path: Path) -> None:
    one, two = fleet(node, text)
    until(lambda: beats(tmp_path / "beats"), "the leader works")
    top = top_of(one)
    async with top.run_test(size=(80, 24)) as pilot:
        shown = Screen(top, pilot)
        await shown.shows("one", "● leader", "job/work", "● running")
        await pilot.press("R")
        warning = await shown.asked()
        assert "one gives up the lead of job" in warning
        assert "Next in the queue is two (healthy)" in warning
        assert one.election()["role"] == "leader"
        await pilot.press("y")
        await shown.shows("resign job: resigned (token", "two leads")
        await shown.shows("○ follower")
        until(lambda: beats(tmp_path / "beats")[-1][0] == "two", "the other node works")
        await pilot.press("v")
        await shown.shows("EVENTS", "two leads")
        until(lambda: two.election()["queue_length"] == 2, "both stand again")

        await pilot.press("S", "down", "enter")  # from the node that follows, to itself
        assert "hands its place over to that node" in await shown.asked()
        await pilot.press("y")
        await shown.shows("switchover job: one leads (token", "● leader")
        until(lambda: beats(tmp_path / "beats")[-1][0] == "one", "the first works again")


async def test_the_view_outlives_its_daemon(node: Make, text: str) -> None:
    one = node("one", text)
    until(lambda: "job: became leader" in one.says(), "it leads")
    top = top_of(one)
    async with top.run_test(size=(120, 40)) as pilot:
        shown = Screen(top, pilot)
        await shown.shows("● leader", "live")
        one.end()
        await shown.shows("✖ unknown", "last heard", "as heard")
        one.start()
        await shown.shows("● leader", "live")
        await pilot.press("tab", "x")
        assert "THIS NODE GOES ON LEADING WITHOUT IT" in await shown.asked()
        await pilot.press("y")
        await shown.shows("stop job/work: stopped", "stopped by operator")
        await pilot.press("s")
        await shown.asked()
        await pilot.press("y")
        await shown.shows("start job/work: started", "● running")
