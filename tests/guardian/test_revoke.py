"""The end of terms over etcd's HTTP gateway: refused, or over TLS."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from supervisor.guardian.linux import boottime
from supervisor.guardian.protocol import Arm, Store
from supervisor.guardian.revoke import Endpoint, RevokeError, Work
from tests.etcd_server import BRISK, EtcdServer
from tests.guardian.harness import until
from tests.guardian.test_daemon_death import daemon, exists, grant
from tests.pki import files
from tests.ports import free_port

TERM = Arm(
    term="billing#7", lease=5, lease_deadline=0.0, margin_seconds=0.0, candidate_key="/n/billing/5", token=7,
    record_key="/n.log/billing/7", stopped_record="{}",
)  # fmt: skip


@contextmanager
def gateway(answers: Mapping[str, tuple[int, object]]) -> Iterator[tuple[str, list[str]]]:
    """An HTTP server that answers by path, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # its name is http.server's
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            status, reply = answers[self.path]
            body = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def store(url: str) -> Store:
    return Store(endpoints=(url,), ca=None, cert=None, key=None, server_name=None, user=None, password_file=None)


@pytest.mark.parametrize(("status", "code"), [(503, 14), (403, 7), (429, 8)])
def test_while_the_record_is_not_written_the_term_is_not_ended(status: int, code: int) -> None:
    with (
        gateway({"/v3/kv/txn": (status, {"code": code})}) as (url, asked),
        pytest.raises(RevokeError, match=str(status)),
    ):
        Endpoint(url, store(url)).end([TERM], 5.0)
    assert asked == ["/v3/kv/txn"]


def test_no_lease_goes_before_its_terms_are_ended() -> None:
    work = Work()
    work.add_term(TERM)
    work.add_lease(TERM.lease, boottime() + 60.0)
    terms, lease, _ = work.take(0.0)
    assert (terms, lease) == ([TERM], 0)
    assert work.take(0.0)[0] == [TERM], "not done yet: another endpoint may try"
    work.done(terms, lease)
    assert work.take(0.0)[:2] == ([], TERM.lease)


@pytest.mark.etcd
def test_revocation_over_mutual_tls(tmp_path: Path, pki: Path) -> None:
    with EtcdServer(tmp_path / "etcd", tls=files(pki, "server"), arguments=BRISK) as etcd:
        lease = grant(etcd, 600)
        node = files(pki, "node")
        tls = {"ca": node.ca, "cert": node.cert, "key": node.key}
        with daemon(tmp_path / "state", [], lease=lease, endpoints=[etcd.endpoint], ttl=600.0, tls=tls) as made:
            made.die()
            asyncio.run(until(lambda: not exists(etcd, lease)))


@pytest.mark.etcd
def test_revocation_over_a_unix_socket(tmp_path: Path) -> None:
    ports = (free_port(), free_port())
    listen = ("--listen-client-urls", f"http://127.0.0.1:{ports[0]},unix://s:0")
    with EtcdServer(tmp_path / "etcd", ports=ports, arguments=(*BRISK, *listen)) as etcd:
        lease = grant(etcd, 600)
        where = f"unix://{tmp_path}/etcd/s:0"
        with daemon(tmp_path / "state", [], lease=lease, endpoints=[where], ttl=600.0) as made:
            made.die()
            asyncio.run(until(lambda: not exists(etcd, lease)))


@pytest.mark.etcd
def test_an_address_is_verified_against_the_name_it_was_found_by(tmp_path: Path, pki: Path) -> None:
    server = EtcdServer(tmp_path / "etcd", tls=files(pki, "named"), arguments=BRISK)
    server.launch()  # its own readiness check would refuse the name
    try:
        node = files(pki, "node")
        tls = Store(
            endpoints=(), ca=node.ca, cert=node.cert, key=node.key, server_name=None, user=None, password_file=None
        )
        asyncio.run(until(lambda: _gone(f"{server.endpoint}#etcd.internal", tls)))
        with pytest.raises(OSError, match="certificate verify failed"):
            Endpoint(server.endpoint, tls).revoke(5, 5.0)
    finally:
        server.kill()


def _gone(url: str, tls: Store) -> bool:
    endpoint = Endpoint(url, tls)
    try:
        endpoint.revoke(5, 5.0)
    except (OSError, RevokeError):
        return False
    finally:
        endpoint.close()
    return True
