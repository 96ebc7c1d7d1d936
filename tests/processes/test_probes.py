"""Probes against real servers on loopback, and against commands that are functions."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from supervisor.core.actions import StartProbe
from supervisor.core.events import Event, ProbeFailed, ProbeSucceeded
from supervisor.core.names import ElectionName, ProcessId, ProcessName, RunId
from supervisor.core.spec import HttpSpec, ProbeKind, ProbeSpec
from supervisor.processes import tls
from supervisor.processes.looks import http_request, in_words, look_http, look_tcp
from supervisor.processes.probes import ExecResult, ProbeRunner, RunExec, exec_failure

API = ProcessId(ElectionName("billing"), ProcessName("api"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(
    handler: Handler, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None, path: str = ""
) -> AsyncIterator[int]:
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        handlers.add(task)
        try:
            await handler(reader, writer)
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    if path:
        server = await asyncio.start_unix_server(handle, path)
    else:
        server = await asyncio.start_server(handle, host, 0, ssl=tls)
    try:
        yield 0 if path else server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        async with asyncio.timeout(20):
            while getattr(server, "_active_count", 0):  # a handshake that the other side has left
                await asyncio.sleep(0.001)


def answering(response: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)

    return handle


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.get_running_loop().create_future()


async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: yes\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("response", "failure"),
    [
        (OK, None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", None),
        (b"HTTP/1.1 200\nBare: newlines\n\n", None),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, None),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Sorry\r\n\r\n", "status 500"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "status 503"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "status 404"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "status 101"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "not an HTTP response: 'SSH-2.0-OpenSSH_9.9'"),
        (b"\x00\xff\xfe\n", "not an HTTP response: '\\x00\\\\xff\\\\xfe'"),
        (b"HTTP/1.1 200 OK\r\nHalf: a he", "connection closed before a whole response"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, "response head longer than 16384 bytes"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 60_000 + b"\r\n\r\n", "response head longer than 16384 bytes"),
        (b"", "connection closed"),
    ],
)
async def test_http(response: bytes, failure: str | None) -> None:
    async with serving(answering(response)) as port:
        assert await look_http(f"http://127.0.0.1:{port}/healthz") == failure


async def test_http_over_ipv6() -> None:
    async with serving(answering(OK), "::1") as port:
        assert await look_http(f"http://[::1]:{port}") is None


async def test_http_to_a_name_with_several_addresses() -> None:
    assert await look_http(f"http://localhost:{unused_port()}/") == "connection refused"


async def test_https_to_a_server_that_speaks_none() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        await reader.read()

    async with serving(handle) as port:
        assert await look_http(f"https://127.0.0.1:{port}/") == "TLS failed: wrong version number"


async def test_https_to_a_server_that_hangs_up() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with serving(handle) as port:
        assert await look_http(f"https://127.0.0.1:{port}/") in ("connection closed", "connection reset by peer")


async def test_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    async with serving(answering(OK), tls=context) as port:
        url = f"https://127.0.0.1:{port}/"
        tls._context.cache_clear()
        assert await look_http(url) == "certificate refused: self-signed certificate"
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        tls._context.cache_clear()
        assert await look_http(url) is None
        assert await look_http(f"https://localhost:{port}/") == (
            "certificate refused: Hostname mismatch, certificate is not valid for 'localhost'."
        )
    for said, why in [
        (b"", "connection closed"),
        (b"HTTP/1.1 200 OK\r\nA: b", "connection closed before a whole response"),
        (b"A" * 40_000, "response head longer than 16384 bytes"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 12_000 + b"\r\n\r\n", None),
    ]:
        async with serving(answering(said), tls=context) as port:
            assert await look_http(f"https://127.0.0.1:{port}/") == why
    tls._context.cache_clear()


def certificate(directory: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    pem = directory / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, "-keyout", pem, "-out", directory / "cert"], check=True, capture_output=True)
    with pem.open("ab") as whole:
        whole.write((directory / "cert").read_bytes())
    return pem


def test_http_request() -> None:
    request = http_request(urlsplit("http://user:p%40ss@[::1]:8080/a b?q=ü&r=%20#part"), HttpSpec())
    head, *headers = request.decode().split("\r\n")
    assert head == "GET /a%20b?q=%C3%BC&r=%20 HTTP/1.1"
    assert headers[0] == "Host: [::1]:8080"
    assert headers[1].startswith("User-Agent: supervisor/")
    assert headers[2:] == [
        "Accept: */*", "Accept-Encoding: identity", "Connection: close", "Authorization: Basic dXNlcjpwQHNz", "", "",
    ]  # fmt: skip
    assert http_request(urlsplit("http://bücher.example"), HttpSpec()).startswith(
        b"GET / HTTP/1.1\r\nHost: xn--bcher-kva.example\r\n"
    )


@pytest.mark.parametrize("url", ["http://[::1", "http://host:99999999/", "http://" + "a" * 70 + ".example/"])
async def test_a_url_that_is_none_fails_and_never_raises(url: str) -> None:
    assert await look_http(url)


async def test_tcp() -> None:
    async with serving(hang) as port:
        assert await look_tcp(f"127.0.0.1:{port}") is None
        assert await look_tcp(f":{port}") is None
    async with serving(hang, "::1") as port:
        assert await look_tcp(f"[::1]:{port}") is None
    assert await look_tcp(f"127.0.0.1:{unused_port()}") == "connection refused"


def test_errors_in_words() -> None:
    assert in_words(socket.gaierror(-2, "Name or service not known")) == "host not found: Name or service not known"
    assert in_words(OSError("Multiple exceptions: [Errno 111] Connect ..., [Errno 113] No route ...")) == (
        "connection refused, no route to host"
    )
    refused = ssl.SSLCertVerificationError(1, "x")
    refused.verify_message = "self-signed certificate"
    assert tls.in_words(refused) == "certificate refused: self-signed certificate"
    assert tls.in_words(ConnectionResetError()) is None
    assert in_words(ConnectionResetError()) == "connection closed"


@pytest.mark.parametrize(
    ("result", "failure"),
    [
        (ExecResult(code=0, output=b"all well"), None),
        (ExecResult(code=1), "exit code 1"),
        (ExecResult(code=2, output=b"first\nlast \x1b[1mline\n\n"), "exit code 2: last \\x1b[1mline"),
        (ExecResult(signal=9), "killed by SIGKILL"),
        (ExecResult(signal=99), "killed by signal 99"),
        (ExecResult(signal=9, timed_out=True), "timed out after 1.5 s"),
        (ExecResult(detail="no such file"), "cannot be started: no such file"),
        (ExecResult(code=1, output=b"x" * 1000), "exit code 1: " + "x" * 200),
    ],
)
def test_exec_failures_in_words(result: ExecResult, failure: str | None) -> None:
    assert exec_failure(result, 1.5) == failure


async def never(command: tuple[str, ...], run: RunId, timeout_seconds: float) -> ExecResult:
    raise AssertionError("no exec probe here")


class Bench:
    def __init__(self, run_exec: RunExec = never, *, chance: Callable[[], float] = lambda: 1.0) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.runner = ProbeRunner(on_event=self.events.put_nowait, run_exec=run_exec, chance=chance)

    def start(self, probe: ProbeSpec, *, run: int = 1, purpose: str = "health") -> None:
        self.runner.start(StartProbe(run=RunId(run), process=API, purpose=purpose, probe=probe))

    async def next(self) -> Event:
        async with asyncio.timeout(20):
            return await self.events.get()

    async def until(self, wanted: Event) -> None:
        while await self.next() != wanted:
            pass

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.runner.run())
        try:
            yield
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


def http(port: int, *, every_seconds: float = 0.01, timeout_seconds: float = 10.0) -> ProbeSpec:
    url = f"http://127.0.0.1:{port}/"
    return ProbeSpec(kind=ProbeKind.HTTP, url=url, every_seconds=every_seconds, timeout_seconds=timeout_seconds)


def command(*, every_seconds: float = 0.01, timeout_seconds: float = 10.0) -> ProbeSpec:
    return ProbeSpec(
        kind=ProbeKind.EXEC, command=("check", "it"), every_seconds=every_seconds, timeout_seconds=timeout_seconds
    )


PASSED = ProbeSucceeded(run=RunId(1), purpose="health")


def failed(detail: str) -> ProbeFailed:
    return ProbeFailed(run=RunId(1), purpose="health", detail=detail)


async def test_a_probe_looks_at_once_and_again_and_sees_changes() -> None:
    responses = [OK, OK, b"HTTP/1.1 503 Busy\r\n\r\n", OK]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(responses.pop(0) if responses else OK)

    bench = Bench()
    async with serving(handle) as port, bench.running():
        bench.start(http(port))
        busy = failed(f"status 503 (127.0.0.1:{port}/)")
        assert [await bench.next() for _ in range(4)] == [PASSED, PASSED, busy, PASSED]


async def test_the_first_look_does_not_wait_for_the_period() -> None:
    bench, port = Bench(), unused_port()
    bench.start(http(port, every_seconds=3600))  # before anything runs
    async with bench.running():
        assert await bench.next() == failed(f"connection refused (127.0.0.1:{port}/)")


@pytest.mark.parametrize("handler", [hang, dribble])
async def test_a_server_that_does_not_finish_is_timed_out(handler: Handler) -> None:
    bench = Bench()
    async with serving(handler) as port, bench.running():
        bench.start(http(port, timeout_seconds=0.05))
        late = failed(f"timed out after 0.05 s (127.0.0.1:{port}/)")
        assert [await bench.next() for _ in range(2)] == [late, late]


async def test_a_server_that_hangs_up() -> None:
    bench = Bench()
    async with serving(hang_up) as port, bench.running():
        bench.start(http(port))
        assert await bench.next() == failed(f"connection closed (127.0.0.1:{port}/)")


async def test_tcp_probe() -> None:
    bench = Bench()
    async with serving(hang) as port, bench.running():
        bench.start(ProbeSpec(kind=ProbeKind.TCP, address=f"127.0.0.1:{port}", every_seconds=0.01))
        assert [await bench.next() for _ in range(2)] == [PASSED, PASSED]


async def test_exec_probe() -> None:
    asked: list[tuple[tuple[str, ...], RunId, float]] = []
    results = [ExecResult(code=0), ExecResult(code=1, output=b"no\n")]

    async def run_exec(command: tuple[str, ...], run: RunId, timeout_seconds: float) -> ExecResult:
        asked.append((command, run, timeout_seconds))
        if not results:
            raise OSError(24, "Too many open files")
        return results.pop(0)

    bench = Bench(run_exec)
    async with bench.running():
        bench.start(command())
        events = [await bench.next() for _ in range(3)]
    assert events == [PASSED, failed("exit code 1: no"), failed("cannot be started: Too many open files")]
    assert asked[0] == (("check", "it"), RunId(1), 10.0)


async def test_an_exec_probe_reports_in_time_and_does_not_overlap_what_is_slow_to_die() -> None:
    running = most = 0
    die = asyncio.Event()

    async def run_exec(command: tuple[str, ...], run: RunId, timeout_seconds: float) -> ExecResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await die.wait()
        running -= 1
        return ExecResult(signal=9, timed_out=True)

    bench = Bench(run_exec)
    async with bench.running():
        bench.start(command(timeout_seconds=0.02))
        assert await bench.next() == failed("timed out after 0.02 s")
        await asyncio.sleep(0.1)
        assert (running, bench.events.qsize()) == (1, 0), "one look, one event, and no second look beside the first"
        die.set()
        assert await bench.next() == failed("timed out after 0.02 s")
    assert most == 1


async def test_a_stopped_probe_is_silent_and_its_command_is_cancelled() -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def run_exec(command: tuple[str, ...], run: RunId, timeout_seconds: float) -> ExecResult:
        entered.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()
        raise AssertionError

    bench = Bench(run_exec)
    async with bench.running():
        bench.start(command())
        await entered.wait()
        bench.runner.stop(RunId(1), "health")
        bench.runner.stop(RunId(1), "health")
        await asyncio.wait_for(cancelled.wait(), 20)
        assert bench.events.empty()


async def test_a_probe_stopped_in_the_instant_of_its_answer_is_silent() -> None:
    answer: asyncio.Future[ExecResult] = asyncio.get_running_loop().create_future()
    entered = asyncio.Event()

    async def run_exec(command: tuple[str, ...], run: RunId, timeout_seconds: float) -> ExecResult:
        entered.set()
        return await answer

    bench = Bench(run_exec)
    async with bench.running():
        bench.start(command())
        await entered.wait()
        answer.set_result(ExecResult(code=0))
        bench.runner.stop(RunId(1), "health")
        await asyncio.sleep(0.05)
        assert bench.events.empty()


async def test_a_probe_of_the_same_purpose_replaces_and_other_runs_go_on() -> None:
    bench = Bench()
    async with serving(answering(OK)) as port, bench.running():
        unused = unused_port()
        bench.start(http(unused))
        assert await bench.next() == failed(f"connection refused (127.0.0.1:{unused}/)")
        bench.start(http(port))
        bench.start(http(port), purpose="ready")
        bench.start(http(port), run=2)
        bench.runner.stop_run(RunId(1))
        while not bench.events.empty():
            bench.events.get_nowait()
        assert [await bench.next() for _ in range(2)] == [ProbeSucceeded(run=RunId(2), purpose="health")] * 2
        assert len(bench.runner._tasks) == 1


async def test_probes_survive_one_another() -> None:
    bench = Bench()
    async with serving(answering(OK)) as good, serving(hang) as bad, bench.running():
        for number in range(20):
            bench.start(http(bad, timeout_seconds=0.05) if number % 2 else http(good), run=number)
        seen: dict[int, set[type[Event]]] = {number: set() for number in range(20)}
        while not all(seen.values()):
            event = await bench.next()
            assert isinstance(event, (ProbeSucceeded, ProbeFailed))
            seen[event.run].add(type(event))
    assert all(types == {ProbeFailed if number % 2 else ProbeSucceeded} for number, types in seen.items())


async def test_the_first_look_is_at_once_the_second_after_a_part_of_the_period_and_the_others_in_step() -> None:
    loop = asyncio.get_running_loop()
    looked: list[float] = []

    async def run_exec(command: tuple[str, ...], run: RunId, timeout_seconds: float) -> ExecResult:
        looked.append(loop.time())
        return ExecResult(code=0)

    chances: list[float] = [0.25]
    bench = Bench(run_exec, chance=chances.pop)
    async with bench.running():
        bench.start(command(every_seconds=0.4))
        for _ in range(3):
            await bench.next()
    assert looked[1] - looked[0] >= 0.1
    assert looked[2] - looked[1] >= 0.4
    assert chances == [], "asked once, at the start"


async def test_an_initial_delay() -> None:
    loop = asyncio.get_running_loop()
    bench = Bench()
    async with serving(answering(OK)) as port, bench.running():
        began = loop.time()
        bench.start(replace(http(port), initial_delay_seconds=0.3))
        assert await bench.next() == PASSED
        assert loop.time() - began >= 0.3
        bench.start(replace(http(port), initial_delay_seconds=3600))
        bench.runner.stop(RunId(1), "health")
        assert len(bench.runner._tasks) == 0
