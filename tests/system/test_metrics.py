"""Health checks and metrics of real daemons: what a balancer sees, where it is, and that nothing is there where nothing is asked."""

import http.client
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.system.nodes import Make, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and body; 0 when nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def at(port: int) -> str:
    return f"metrics: {{address: 127.0.0.1:{port}}}\n"


def test_a_balancer_finds_the_leader_wherever_it_goes(node: Make, text: str, tmp_path: Path) -> None:
    ports = free_ports(2)
    one = node("one", at(ports[0]) + text)
    until(lambda: beats(tmp_path / "beats"), "one leads")
    node("two", at(ports[1]) + text)
    until(lambda: ask(ports[1], "/readyz")[0] == 200, "two is in the queue")
    until(lambda: [ask(p, "/leader/job?ready")[0] for p in ports] == [200, 503], "one leads, and two does not")
    assert ask(ports[0], "/livez") == (200, "ok\n")
    assert ask(ports[0], "/leader/jbo")[0] == 404
    assert one.run("resign", "job").returncode == 0
    until(
        lambda: [ask(p, "/leader/job")[0] for p in ports] == [503, 200], "the lead has moved, and the balancer sees it"
    )
    found = ask(ports[1], "/metrics")[1]
    assert 'supervisor_terms_total{election="job"} 1.0' in found
    counted = 'supervisor_gap_seconds_count{election="job",whole="true"} 1.0'
    until(lambda: counted in ask(ports[1], "/metrics")[1], "the gap, known once the new leader's processes are ready")
    assert "supervisor_daemon_process_resident_memory_bytes" in found


def test_the_address_moves_by_a_reload_and_one_that_is_taken_harms_nothing(
    node: Make, text: str, tmp_path: Path
) -> None:
    first, second = free_ports(2)
    one = node("one", at(first) + text)
    until(lambda: ask(first, "/livez")[0] == 200, "it answers")
    until(lambda: beats(tmp_path / "beats"), "it leads")
    tokens = {token for _, token in beats(tmp_path / "beats")}
    one.file.write_text(at(second) + text)
    assert one.run("reload").returncode == 0
    until(lambda: (ask(second, "/livez")[0], ask(first, "/livez")[0]) == (200, 0), "it has moved")
    two = node("two", at(second) + text)
    until(lambda: "cannot be used, trying on" in two.says(), "the address is taken, and it says so")
    until(lambda: '"phase": "following"' in two.run("status", "--json").stdout, "and queues all the same")
    one.file.write_text(text)
    assert one.run("reload").returncode == 0
    until(lambda: "health and metrics are at" in two.says(), "the other gets it when it is free")
    assert {token for _, token in beats(tmp_path / "beats")} == tokens


def test_without_metrics_nothing_of_them_is_in_memory(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "it leads")
    maps = Path(f"/proc/{one.daemon.pid}/maps").read_text()
    assert "_ssl" not in maps
