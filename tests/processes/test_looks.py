"""Looks in full: requests, bodies, TLS and gRPC against real servers on loopback and on unix sockets."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import pytest

from supervisor.core.spec import HttpSpec, ProbeKind, ProbeSpec, ProbeTls
from supervisor.pb import health_pb2
from supervisor.processes import tls
from supervisor.processes.grpclook import look_grpc
from supervisor.processes.looks import look_http, look_tcp, place
from tests import pki as certificates
from tests.processes.test_probes import OK, PASSED, Bench, answering, failed, hang, serving, unused_port

BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nstate: good"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7;x=y\r\nstate: \r\n4\r\ngood\r\n0\r\n\r\n"
UNTIL_THE_END = b"HTTP/1.0 200 OK\r\n\r\nstate: good"
WRONG = "status 200, but the body does not"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("pki"))


def server_tls(pki: Path, *, clients: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.pem") if clients else None)
    context.load_cert_chain(pki / "server.pem", pki / "server-key.pem")
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


# --- http ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "statuses", "failure"),
    [
        (b"HTTP/1.1 302 Found\r\n\r\n", ((200, 299),), "status 302"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", ((200, 299), (503, 503)), None),
        (b"HTTP/1.1 404 No\r\n\r\n", ((404, 404),), None),
        (OK, ((404, 404),), "status 200"),
    ],
)
async def test_the_statuses_that_pass(
    response: bytes, statuses: tuple[tuple[int, int], ...], failure: str | None
) -> None:
    async with serving(answering(response)) as port:
        assert await look_http(f"http://127.0.0.1:{port}/", HttpSpec(statuses=statuses)) == failure


@pytest.mark.parametrize("response", [BODY, CHUNKED, UNTIL_THE_END], ids=["length", "chunked", "until the end"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_a_body_contains_or_matches(pki: Path, response: bytes, secure: bool) -> None:
    settings = ProbeTls(ca=str(pki / "ca.pem")) if secure else None
    async with serving(answering(response), tls=server_tls(pki) if secure else None) as port:
        url = f"http{'s' if secure else ''}://127.0.0.1:{port}/"
        assert await look_http(url, HttpSpec(body="state: good"), settings) is None
        assert await look_http(url, HttpSpec(pattern=r"^state: (good|fair)$"), settings) is None
        assert await look_http(url, HttpSpec(body="bad"), settings) == f"{WRONG} contain what it should"
        assert await look_http(url, HttpSpec(pattern="^good"), settings) == f"{WRONG} match"


@pytest.mark.parametrize(
    ("response", "failure"),
    [
        (BODY[:-1], "connection closed before a whole response"),
        (CHUNKED[:-12], "connection closed before a whole response"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not an HTTP response: a chunk has no size"),
        (b"HTTP/1.1 500 No\r\n\r\nstate: good", "status 500"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000 + b"state: good", f"{WRONG} contain what it should"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 60_000 + b"state: good" + b"x" * 9_999_999, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nstate: good", None),
    ],
)
async def test_a_body_that_is_cut_short_or_too_long(response: bytes, failure: str | None) -> None:
    async with serving(answering(response)) as port:
        assert await look_http(f"http://127.0.0.1:{port}/", HttpSpec(body="state: good")) == failure


async def test_a_pattern_that_takes_for_ever_fails_the_look_and_holds_up_nobody() -> None:
    response = b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 50 + b"!"
    async with serving(answering(response)) as port:
        began = time.process_time()
        failure = await look_http(f"http://127.0.0.1:{port}/", HttpSpec(pattern="(a+)+$"))
    assert failure == f"{WRONG} match, and comparing it took too long"
    assert time.process_time() - began < 10, "it would be thousands of years"


async def test_the_request_that_is_sent() -> None:
    heard: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    headers = (("Authorization", "Bearer s3cret"), ("user-agent", "me"))
    async with serving(handle) as port:
        url = f"http://u:p@127.0.0.1:{port}/a?b=c"
        assert await look_http(url, HttpSpec(method="POST", headers=headers)) is None
        assert await look_http(url, HttpSpec(method="HEAD")) is None
    first, *lines = heard[0].decode().split("\r\n")
    assert first == "POST /a?b=c HTTP/1.1"
    assert lines.count("Authorization: Bearer s3cret") == 1
    assert not any(line.startswith(("User-Agent", "Authorization: Basic")) for line in lines), "given ones win"
    assert {"user-agent: me", "Content-Length: 0", f"Host: 127.0.0.1:{port}"} <= set(lines)
    assert heard[1].startswith(b"HEAD /a?b=c HTTP/1.1\r\n")


def test_what_is_shown_of_a_probe_holds_no_secret() -> None:
    http = HttpSpec(headers=(("Authorization", "s3cret"),))
    probe = ProbeSpec(kind=ProbeKind.HTTP, url="https://u:s3cret@h:1/path?key=s3cret", http=http)
    assert place(probe) == "h:1/path"
    assert "s3cret" not in repr(probe)


async def test_unix_sockets(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    nobody = str(tmp_path / "nobody")
    async with serving(answering(BODY), path=path):
        assert await look_tcp(f"unix:{path}") is None
        http = HttpSpec(socket=path, body="good")
        assert await look_http("http://localhost/", http) is None
        assert place(ProbeSpec(kind=ProbeKind.HTTP, url="http://localhost/", http=http)) == path
        assert await look_tcp(f"unix:{nobody}") == "no such file or directory"
        assert await look_http("http://localhost/", HttpSpec(socket=nobody)) == "no such file or directory"


# --- https -----------------------------------------------------------------------------------------------------------


async def test_whom_a_look_trusts(pki: Path) -> None:
    ca = str(pki / "ca.pem")
    async with serving(answering(OK), tls=server_tls(pki)) as port:
        url = f"https://127.0.0.1:{port}/"

        async def look(url: str = url, **settings: object) -> str | None:
            return await look_http(url, None, ProbeTls(**settings))  # type: ignore[arg-type]

        assert await look(ca=ca) is None
        assert await look(ca=str(pki / "stranger.pem")) == "certificate refused: unable to get local issuer certificate"
        assert str(await look()).startswith("certificate refused:")
        assert await look(insecure=True) is None
        assert await look(ca=ca, server_name="etcd.internal") is None
        assert "Hostname mismatch" in str(await look(ca=ca, server_name="elsewhere"))
        assert await look(ca=str(pki / "none.pem")) == f"{pki}/none.pem: No such file or directory"
        broken = pki / "broken.pem"
        broken.write_text("nothing of the sort")
        assert str(await look(ca=str(broken))).startswith(f"{broken}: ")


async def test_a_server_that_wants_a_certificate(pki: Path) -> None:
    ca = str(pki / "ca.pem")
    async with serving(answering(BODY), tls=server_tls(pki, clients=True)) as port:
        url = f"https://127.0.0.1:{port}/"
        ours = ProbeTls(ca=ca, cert=str(pki / "node.pem"), key=str(pki / "node-key.pem"))
        assert await look_http(url, HttpSpec(body="good"), ours) is None
        assert await look_http(url, HttpSpec(body="good"), ProbeTls(ca=ca)) is not None


async def test_a_ca_that_was_replaced_is_read_again(pki: Path, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes((pki / "stranger.pem").read_bytes())
    async with serving(answering(OK), tls=server_tls(pki)) as port:
        url, settings = f"https://127.0.0.1:{port}/", ProbeTls(ca=str(ca))
        assert str(await look_http(url, None, settings)).startswith("certificate refused")
        ca.unlink()
        ca.write_bytes((pki / "ca.pem").read_bytes())
        assert await look_http(url, None, settings) is None
    tls._context.cache_clear()


# --- grpc ------------------------------------------------------------------------------------------------------------


class HealthServer:
    """grpc.health.v1, by hand."""

    def __init__(self) -> None:
        self.status = 1
        self.server = grpc.aio.server()
        check: Callable[..., Awaitable[object]] = self.check
        method = grpc.unary_unary_rpc_method_handler(
            check,
            request_deserializer=health_pb2.HealthCheckRequest.FromString,
            response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
        )
        handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})
        self.server.add_generic_rpc_handlers((handler,))

    async def check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> health_pb2.HealthCheckResponse:
        if request.service == "hangs":
            await asyncio.get_running_loop().create_future()
        if request.service not in ("", "billing"):
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=self.status)  # type: ignore[arg-type]


@asynccontextmanager
async def health_server(
    *addresses: str, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[tuple[HealthServer, int]]:
    health, port = HealthServer(), 0
    for address in ("127.0.0.1:0", *addresses):
        added = (
            health.server.add_insecure_port(address)
            if credentials is None
            else health.server.add_secure_port(address, credentials)
        )
        port = port or added
    await health.server.start()
    try:
        yield health, port
    finally:
        await health.server.stop(None)


def ask(address: str, service: str = "", settings: ProbeTls | None = None) -> ProbeSpec:
    return ProbeSpec(kind=ProbeKind.GRPC, address=address, service=service, tls=settings)


async def test_grpc(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/s"
    async with health_server(path) as (health, port):
        at = f"127.0.0.1:{port}"
        assert await look_grpc(ask(at)) is None
        assert await look_grpc(ask(f"localhost:{port}", "billing")) is None
        assert await look_grpc(ask(path)) is None
        assert await look_grpc(ask(at, "other")) == "the server does not know the service 'other'"
        health.status = 2
        assert await look_grpc(ask(at)) == "NOT_SERVING"
        health.status = 0
        assert await look_grpc(ask(at)) == "UNKNOWN"
        health.status = 77
        assert await look_grpc(ask(at)) == "health status 77"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(look_grpc(ask(at, "hangs")), 0.05)
    assert await look_grpc(ask(at)) == "connection refused"
    assert await look_grpc(ask(f"unix:{tmp_path}/none")) == "no such file or directory"
    assert str(await look_grpc(ask("no-such-host.invalid:1"))).startswith("host not found: ")


async def test_grpc_to_servers_of_something_else() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    assert await look_grpc(ask(f"127.0.0.1:{port}")) == "the server does not implement grpc.health.v1"
    await server.stop(None)
    async with serving(hang) as port:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(look_grpc(ask(f"127.0.0.1:{port}")), 0.05)

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n" * 10)

    async with serving(other) as port:
        assert await look_grpc(ask(f"127.0.0.1:{port}"))
    assert await look_grpc(ask(f"127.0.0.1:{unused_port()}")) == "connection refused"


async def test_grpc_with_tls(pki: Path) -> None:
    pair = (pki / "server-key.pem").read_bytes(), (pki / "server.pem").read_bytes()
    ca = (pki / "ca.pem").read_bytes()
    credentials = grpc.ssl_server_credentials([pair], ca, require_client_auth=True)

    def ours(ca: str, server_name: str | None = None) -> ProbeTls:
        cert, key = str(pki / "node.pem"), str(pki / "node-key.pem")
        return ProbeTls(ca=str(pki / f"{ca}.pem"), cert=cert, key=key, server_name=server_name)

    async with health_server(credentials=credentials) as (_, port):
        at = f"127.0.0.1:{port}"
        assert await look_grpc(ask(at, settings=ours("ca"))) is None
        assert await look_grpc(ask(at, settings=ours("ca", "etcd.internal"))) is None
        strange = await look_grpc(ask(at, settings=ours("stranger")))
        assert strange == "certificate refused: certificate verify failed"
        assert await look_grpc(ask(at, settings=ProbeTls(ca=str(pki / "ca.pem"))))
        missing = await look_grpc(ask(at, settings=ProbeTls(ca=str(pki / "none.pem"))))
        assert missing == f"{pki}/none.pem: No such file or directory"


async def test_a_grpc_server_that_serves_refuses_hangs_and_is_gone() -> None:
    bench = Bench()
    async with bench.running():
        async with health_server() as (health, port):
            probe = replace(ask(f"127.0.0.1:{port}"), every_seconds=0.01, timeout_seconds=20.0)
            bench.start(probe)
            assert await bench.next() == PASSED
            health.status = 2
            await bench.until(failed(f"NOT_SERVING (127.0.0.1:{port})"))
            health.status = 1
            await bench.until(PASSED)
            bench.start(replace(probe, service="hangs", timeout_seconds=0.05))
            await bench.until(failed(f"timed out after 0.05 s (127.0.0.1:{port})"))
        await bench.until(failed(f"connection refused (127.0.0.1:{port})"))
