"""The page on real daemons, in a real browser: live, read-only, honest when the daemon is gone, and deaf to hostile texts."""

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import FAILED_LOAD, Browser, program
from tests.etcd_server import EtcdServer
from tests.ports import free_ports
from tests.system.nodes import Make, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]

HOSTILE = "<img src=x onerror=hacked()><script>hacked()</script>"


def at(port: int, more: str = "") -> str:
    return f"web: {{address: 127.0.0.1:{port}{more}}}\n"


def ask(
    port: int, path: str, *, host: str | None = None, method: str = "GET", **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers; 0 when nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=host is not None)
        if host is not None:
            connection.putheader("Host", host)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}
    except (OSError, http.client.HTTPException):
        return 0, "", {}
    finally:
        connection.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if program() is None:
        pytest.skip("no Chromium: apt install chromium")
    with Browser(tmp_path / "browser") as found:
        yield found


def leader_is(name: str, election: str = "job") -> str:
    """True in the page when it shows that a node leads."""
    row = f"document.querySelector('li[data-name={election}]')"
    return f"{row}?.querySelector('.leader').innerText === {json.dumps(name)} && {row}.innerText.includes('healthy')"


LINK = "document.getElementById('link').innerText"


@pytest.mark.timeout(240)
def test_a_browser_sees_a_failover_and_a_daemon_that_died_and_came_back(
    node: Make, text: str, tmp_path: Path, browser: Browser
) -> None:
    ports = free_ports(2)
    one = node("one", at(ports[0]) + text)
    until(lambda: beats(tmp_path / "beats"), "one leads")
    two = node("two", at(ports[1]) + text)
    until(lambda: ask(ports[1], "/")[0] == 200, "the page")
    browser.open(f"http://127.0.0.1:{ports[1]}/")
    browser.until(leader_is("one"), "the leader")
    browser.run("window.loadedOnce = true")
    browser.run("document.querySelector('li[data-name=job] button').click()")
    browser.until("document.querySelectorAll('.detail .line.tall i').length >= 1", "its term, as a line")
    assert one.run("resign", "job").returncode == 0
    browser.until(leader_is("two"), "the failover")
    gap = "document.querySelector('.detail .line.tall i.gap')?.title ?? ''"
    assert "nobody served for" in browser.until(gap, "the gap between the terms")
    assert "resigned by an operator" in browser.text(".detail table")
    assert browser.run("window.loadedOnce") is True
    browser.run("document.getElementById('tab-processes').click()")
    browser.until("document.getElementById('procs').innerText.includes('job/work')", "the process")
    browser.run("document.getElementById('tab-events').click()")
    browser.until("document.getElementById('happened').innerText.includes('term-won')", "what happened")
    browser.run("document.getElementById('tab-fleet').click()")
    assert browser.complaints() == []
    assert {url.split("/")[2] for url in browser.requests() if not url.startswith("data:")} == {f"127.0.0.1:{ports[1]}"}

    two.daemon.kill()
    two.daemon.wait()
    browser.until(f"{LINK}.startsWith('last heard')", "that the daemon is not heard any more")
    row = browser.text("li[data-name=job] button")
    assert "unknown (was two)" in row
    shown = browser.text("#elections").replace("was healthy", "").replace("was leading", "")
    assert not {"healthy", "leads", "leading"} & set(shown.split())
    assert "Nothing here is known to be so now" in browser.text("#notices")
    two.start()
    browser.until(f"{LINK} === 'live'", "the next daemon", 60.0)
    browser.until(leader_is("one"), "who leads now", 60.0)
    assert browser.run("window.loadedOnce") is True
    assert [c for c in browser.complaints() if FAILED_LOAD not in c] == []


@pytest.mark.timeout(180)
def test_hostile_texts_are_text(
    node: Make, text: str, tmp_path: Path, browser: Browser, etcd: EtcdServer, namespace: str
) -> None:
    (port,) = free_ports(1)
    says = "processes:\n  talks: {command: [sh, -c, 'echo \"$0\"; exec sleep 1000', '" + HOSTILE + "']}\n"
    node("one", at(port, ", logs: on") + text + says)
    until(lambda: beats(tmp_path / "beats"), "it leads")
    document = json.dumps({"v": 1, "node": HOSTILE, "state": HOSTILE, "health": HOSTILE, "value": {"a": HOSTILE}})
    for key, value in ((f"{namespace}/job/ffff", document), (f"{namespace}/{HOSTILE.replace('/', '')}/ffff", HOSTILE)):
        subprocess.run(
            [etcd.binaries.etcdctl, "--endpoints", etcd.endpoint, "put", key, value],
            env={"ETCDCTL_API": "3"},
            check=True,
            capture_output=True,
        )
    until(lambda: ask(port, "/")[0] == 200, "the page")
    browser.open(f"http://127.0.0.1:{port}/")
    browser.run("window.ran = 0; window.hacked = () => { window.ran += 1 }")
    browser.until("document.querySelectorAll('#elections > li').length === 2", "both elections")
    browser.run("for (const b of document.querySelectorAll('#elections > li > button')) b.click()")
    browser.until("document.querySelectorAll('.detail td').length > 10", "their candidates")
    assert browser.text("#elections").count(HOSTILE) >= 4
    browser.run("document.getElementById('tab-logs').click()")
    browser.until("document.getElementById('which').options.length > 1", "the processes")
    browser.run(
        "(() => { const w = document.getElementById('which'); w.value = 'talks'; w.dispatchEvent(new Event('change')) })()"
    )
    browser.until("document.getElementById('log').innerText.includes('onerror')", "what the process said")
    assert HOSTILE in browser.text("#log")
    assert browser.run("document.querySelectorAll('main img, main script').length") == 0
    assert browser.run("window.ran") == 0
    assert browser.complaints() == []
    # And should a mistake of ours make markup of text, the browser refuses.
    assert browser.run("(() => { try { document.body.innerHTML = '<b>x</b>'; return 'done' } catch (e) { return e.name } })()") == "TypeError"  # fmt: skip


@pytest.mark.timeout(180)
def test_it_is_used_by_keys_alone_and_fits_a_phone(node: Make, text: str, tmp_path: Path, browser: Browser) -> None:
    (port,) = free_ports(1)
    node("one", at(port) + text + "  other: {}\n")
    until(lambda: beats(tmp_path / "beats"), "it leads")
    browser.look(390, 844, dark=True)
    until(lambda: ask(port, "/")[0] == 200, "the page")
    browser.open(f"http://127.0.0.1:{port}/")
    browser.until(leader_is("one"), "the leader")
    assert browser.run("document.documentElement.scrollWidth") <= 390
    browser.press("/")
    for key in "oth":
        browser.press(key)
    browser.until("document.querySelectorAll('#elections > li').length === 1", "the filter at work")
    browser.press("Escape")
    browser.until("document.querySelectorAll('#elections > li').length === 2", "the filter cleared")
    browser.run("document.querySelector('li[data-name=job] button').focus()")
    browser.press("Enter")
    browser.until("document.querySelector('li[data-name=job] button').getAttribute('aria-expanded') === 'true'", "open")
    browser.run("document.getElementById('tab-fleet').focus()")
    browser.press("ArrowRight")
    browser.until("!document.getElementById('processes').hidden", "the next view")
    unnamed = "[...document.querySelectorAll('button, input, select, [role=img]')].filter(e => !e.hidden && !(e.innerText || e.getAttribute('aria-label'))).map(e => e.outerHTML)"
    assert browser.run(unnamed) == []
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.complaints() == []


def test_who_may_ask_and_for_what(node: Make, text: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    node("one", at(port, ", names: [Fleet.Example.org]") + text)
    until(lambda: beats(tmp_path / "beats"), "it leads")
    until(lambda: ask(port, "/")[0] == 200, "the page")
    status, body, headers = ask(port, "/")
    assert "<title>supervisor</title>" in body
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'nonce-")
    assert "access-control-allow-origin" not in headers
    for name in (f"localhost:{port}", f"[::1]:{port}", f"127.0.0.1:{port}", "fleet.example.org", "192.0.2.7"):
        assert ask(port, "/", host=name)[0] == 200, name
    for name in ("evil.example.org", f"evil.example.org:{port}", "", "localhost.evil.org", "127.0.0.1.evil.org"):
        for path in ("/", "/changes", "/history?election=job", "/log?process=job/work"):
            status, body, _ = ask(port, path, host=name)
            assert (status, "web: {names: [...]}" in body) == (403, True), (name, path)
    assert ask(port, "/history?election=job", Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(port, "/history?election=job", Sec_Fetch_Site="same-origin")[0] == 200
    assert ask(port, "/history?election=jbo")[0] == 404
    assert ask(port, "/log?process=job/work")[0] == 403
    assert ask(port, "/livez")[0] == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(port, "/", method=method)[0] == 405
    assert ask(port, "/changes", method="HEAD")[:2] == (200, "")


def test_it_shares_an_address_with_health_and_metrics_and_moves_by_a_reload(
    node: Make, text: str, tmp_path: Path
) -> None:
    first, second = free_ports(2)
    metrics = f"metrics: {{address: 127.0.0.1:{first}}}\n"
    one = node("one", metrics + at(first) + text)
    until(lambda: beats(tmp_path / "beats"), "it leads")
    until(lambda: ask(first, "/livez")[0] == 200, "health")
    assert "<title>" in ask(first, "/")[1]
    assert ask(first, "/leader/job", host="balancer.example.org")[0] == 200  # health is for whoever asks
    tokens = {token for _, token in beats(tmp_path / "beats")}
    with socket.create_connection(("127.0.0.1", first)) as stream:
        stream.sendall(b"GET /changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream.settimeout(20)
        assert b"event: hello" in stream.recv(65536) + stream.recv(65536)
        one.file.write_text(metrics + at(second) + text)
        assert one.run("reload").returncode == 0
        until(lambda: ask(second, "/")[0] == 200, "the page has moved")
        while stream.recv(65536):  # and who listened is let go
            pass
    assert ask(first, "/")[1].startswith("/livez")
    assert ask(first, "/livez")[0] == 200
    one.file.write_text(metrics + text)
    assert one.run("reload").returncode == 0
    until(lambda: ask(second, "/")[0] == 0, "the page is gone")
    one.file.write_text(metrics + at(first) + text)
    assert one.run("reload").returncode == 0
    until(lambda: "<title>" in ask(first, "/")[1], "it is back, beside health")
    assert {token for _, token in beats(tmp_path / "beats")} == tokens


def test_who_reads_slowly_holds_nobody_up(node: Make, text: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    one = node("one", at(port) + text + "".join(f"  e{n}: {{}}\n" for n in range(100)))
    until(lambda: beats(tmp_path / "beats"), "it leads")
    until(lambda: ask(port, "/")[0] == 200, "the page")
    deaf = []
    try:
        for _ in range(32):
            stream = socket.socket()
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            stream.connect(("127.0.0.1", port))
            stream.sendall(b"GET /changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
            deaf.append(stream)
        until(lambda: "event: full" in ask(port, "/changes")[1], "that there are as many pages as may be")
        assert ask(port, "/")[0] == 200
        assert one.run("resign", "job").returncode == 0
        assert one.run("status", "--json").returncode in (0, 1)
    finally:
        for stream in deaf:
            stream.close()

    def served() -> bool:
        with socket.create_connection(("127.0.0.1", port)) as again:
            again.settimeout(10)
            again.sendall(b"GET /changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
            said = b""
            while b"event: " not in said:
                said += again.recv(65536)
            return b"event: hello" in said

    until(served, "there is room again")


@pytest.mark.timeout(180)
def test_an_etcd_that_is_gone_and_a_daemon_that_is_frozen_are_not_taken_for_the_present(
    node: Make, tmp_path: Path, browser: Browser, fresh_etcd: EtcdServer
) -> None:
    (port,) = free_ports(1)
    file = f'{at(port)}etcd: {{endpoints: ["{fresh_etcd.endpoint}"]}}\nelections:\n  job: {{ttl: 5s}}\n'
    one = node("one", file)
    until(lambda: ask(port, "/")[0] == 200, "the page")
    browser.open(f"http://127.0.0.1:{port}/")
    browser.until(leader_is("one"), "the leader")
    fresh_etcd.kill()
    browser.until("document.getElementById('etcd').innerText === 'etcd not reached'", "that etcd is gone")
    browser.until(
        "document.querySelector('li[data-name=job] button').innerText.includes('unknown (was one)')", "unknown"
    )
    assert browser.text("#link") == "live"
    assert "unreachable" in browser.text("#notices")
    fresh_etcd.start()
    browser.until(leader_is("one"), "the leader again", 60.0)
    one.daemon.send_signal(signal.SIGSTOP)
    try:
        browser.until(f"{LINK}.startsWith('last heard')", "that it says nothing")
        assert "it is connected, and says nothing" in browser.text("#notices")
        assert "unknown" in browser.text("li[data-name=job] button")
    finally:
        one.daemon.send_signal(signal.SIGCONT)
    browser.until(f"{LINK} === 'live'", "that it goes on", 60.0)
    browser.until(leader_is("one"), "the leader", 60.0)
    assert browser.complaints() == []
