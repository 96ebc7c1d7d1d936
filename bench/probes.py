"""What looks cost the daemon: 200 probes of each kind, once a second, against servers of another process.

Run from a checkout: ``python bench/probes.py [SECONDS]``. Prints CPU and memory of the process that looks, and how many looks
came in the busiest 50 ms (in step, it would be all 200).
"""

import asyncio
import multiprocessing
import resource
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

from supervisor.core.actions import StartProbe
from supervisor.core.events import Event, ProbeSucceeded
from supervisor.core.names import ElectionName, ProcessId, ProcessName, RunId
from supervisor.core.spec import HttpSpec, ProbeKind, ProbeSpec
from supervisor.processes.logwatch import LogWatches
from supervisor.processes.patterns import Pattern
from supervisor.processes.probes import ExecResult, ProbeRunner

PROBES = 200
API = ProcessId(ElectionName("job"), ProcessName("api"))
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nstate: good"


def serve(ports: Connection) -> None:
    """HTTP and gRPC health, in a process of its own."""
    import grpc.aio  # noqa: PLC0415 # not before the fork

    from supervisor.pb import health_pb2  # noqa: PLC0415 # brings grpc

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(BODY)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a tcp look
        writer.close()

    async def check(_request: object, _context: object) -> health_pb2.HealthCheckResponse:
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    async def main() -> None:
        http = await asyncio.start_server(answer, "127.0.0.1", 0)
        server = grpc.aio.server()
        method = grpc.unary_unary_rpc_method_handler(
            check,
            request_deserializer=health_pb2.HealthCheckRequest.FromString,
            response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        ports.send((http.sockets[0].getsockname()[1], port))
        await asyncio.Event().wait()

    asyncio.run(main())


def resident_mib() -> float:
    """Of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def never(_command: tuple[str, ...], _run: RunId, _timeout_seconds: float) -> ExecResult:
    """No exec probe here: its cost is its command's."""
    raise AssertionError


async def look(probe: ProbeSpec, seconds: float) -> None:
    """Print what one kind costs."""
    loop = asyncio.get_running_loop()
    seen: list[tuple[float, bool]] = []

    def hear(event: Event) -> None:
        seen.append((loop.time(), isinstance(event, ProbeSucceeded)))

    runner = ProbeRunner(on_event=hear, run_exec=never)
    task = asyncio.create_task(runner.run())
    before, began = time.process_time(), loop.time()
    for number in range(PROBES):
        runner.start(StartProbe(run=RunId(number), process=API, purpose="health", probe=probe))
    await asyncio.sleep(seconds)
    cpu = (time.process_time() - before) / (loop.time() - began) * 100
    task.cancel()
    busiest = max(Counter(int(at / 0.05) for at, _ in seen if at > began + 2).values())
    good = sum(passed for _, passed in seen)
    print(
        f"{probe.kind:<5} {len(seen):>6} looks, {good} passed, {cpu:5.1f} % CPU, {cpu * 10 / PROBES:6.3f} ms each, "
        f"busiest 50 ms: {busiest:>3}, rss {resident_mib():.1f} MiB"
    )


def compare_lines() -> None:
    """Print how fast lines are compared until one matches."""
    block = b"2026-01-01T00:00:00Z info something happened, as it does all the time 127.0.0.1\n" * 800
    pattern = r"^listening on .*:\d+$"
    watches = LogWatches(on_event=lambda _: None)
    probe = ProbeSpec(kind=ProbeKind.LOG, pattern=pattern)
    watches.start(StartProbe(run=RunId(1), process=API, purpose="ready", probe=probe))
    began, rounds = time.perf_counter(), 200
    for _ in range(rounds):
        watches.feed(RunId(1), block)
    took = time.perf_counter() - began
    print(f"log   {rounds * len(block) / took / 1e6:.0f} MB/s, {took / rounds * 1000:.2f} ms for {len(block)} bytes")
    worst = 0.0
    for text, line in (("(a+)+$", "a" * 60 + "!"), (".*.*.*.*.*x", "a" * 4000), ("(?:a|a)*b", "a" * 60)):
        began = time.perf_counter()
        Pattern(text).search(line)
        worst = max(worst, time.perf_counter() - began)
    print(f"log   the worst pattern holds the loop up for {worst * 1000:.1f} ms")


async def measure(seconds: float, http: int, grpc: int) -> None:
    """Each kind in turn."""
    url = f"http://127.0.0.1:{http}/"
    await look(ProbeSpec(kind=ProbeKind.TCP, address=f"127.0.0.1:{http}", every_seconds=1), seconds)
    await look(ProbeSpec(kind=ProbeKind.HTTP, url=url, every_seconds=1), seconds)
    await look(ProbeSpec(kind=ProbeKind.HTTP, url=url, every_seconds=1, http=HttpSpec(pattern="good|fair")), seconds)
    await look(ProbeSpec(kind=ProbeKind.GRPC, address=f"127.0.0.1:{grpc}", every_seconds=1), seconds)


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    http, grpc = ours.recv()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    asyncio.run(measure(seconds, http, grpc))
    compare_lines()
    server.terminate()


if __name__ == "__main__":
    main()
