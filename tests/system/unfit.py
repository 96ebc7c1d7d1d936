"""Servers between a supervisor and its etcd that make the etcd unfit: one that is slow, and one that cuts leases."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio

from supervisor.pb.etcd import rpc_pb2

GRANT = "/etcdserverpb.Lease/LeaseGrant"


@contextmanager
def beside(serve: Callable[[asyncio.Future[int]], Coroutine[Any, Any, None]]) -> Iterator[int]:
    """A server on a loop of its own, in a thread; its port."""
    loop = asyncio.new_event_loop()
    port: asyncio.Future[int] = loop.create_future()
    task = loop.create_task(serve(port))
    known = threading.Event()
    port.add_done_callback(lambda _: known.set())

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert known.wait(20), "no server"
        yield port.result()
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(20)


@contextmanager
def slow(etcd_port: int, seconds: float) -> Iterator[str]:
    """Carries every byte, each way this much later; its endpoint."""

    async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await arrived.get()
                await asyncio.sleep(due - loop.time())
                sink.write(data)

        delivering = asyncio.create_task(deliver())
        try:
            while data := await source.read(65536):
                arrived.put_nowait((loop.time() + seconds, data))
        except OSError:
            pass
        finally:
            delivering.cancel()

    async def serve(port: asyncio.Future[int]) -> None:
        ends: list[asyncio.StreamWriter] = []

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", etcd_port)
            ends.extend((writer, far_writer))
            ways = [asyncio.create_task(one_way(reader, far_writer)), asyncio.create_task(one_way(far_reader, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()

        server = await asyncio.start_server(carry, "127.0.0.1", 0)
        port.set_result(server.sockets[0].getsockname()[1])
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for end in ends:
                end.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    with beside(serve) as number:
        yield f"http://127.0.0.1:{number}"


class Cutter(grpc.GenericRpcHandler):  # type: ignore[type-arg] # not subscriptable at run time
    """Hands every unary call on as it is, but for what a grant says of its TTL."""

    def __init__(self, channel: grpc.aio.Channel, ttl_seconds: int) -> None:
        self._channel = channel
        self._ttl = ttl_seconds

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        method = details.method

        async def hand_on(request: bytes, _context: object) -> bytes:
            ask: Callable[..., Awaitable[bytes]] = self._channel.unary_unary(method, None, None)
            reply = await ask(request, timeout=5)
            if method != GRANT:
                return reply
            grant = rpc_pb2.LeaseGrantResponse.FromString(reply)
            grant.TTL = min(grant.TTL, self._ttl)
            return grant.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(hand_on)


@contextmanager
def cutting(etcd_port: int, ttl_seconds: int) -> Iterator[str]:
    """Says of every lease that it was granted for no longer than this; its endpoint."""

    async def serve(port: asyncio.Future[int]) -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{etcd_port}") as channel:
            server = grpc.aio.server()
            server.add_generic_rpc_handlers((Cutter(channel, ttl_seconds),))
            number = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            port.set_result(number)
            try:
                await asyncio.Event().wait()
            finally:
                await server.stop(None)

    with beside(serve) as number:
        yield f"http://127.0.0.1:{number}"
