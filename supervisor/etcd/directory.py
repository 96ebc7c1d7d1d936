"""Where the members are: the endpoints of the file, and of DNS, with every name looked up.

Promises: looks nothing up, and waits for nothing, where the file has addresses only; what was found once stays good
until something else is found, so that DNS that is away moves nobody; looks again at most every few seconds when a member
failed, and every half a minute otherwise, and never holds up a call for it; a look-up that hangs is left behind.
Does not: say which member works (``members`` does).

SRV records are those of etcd's own client: ``_etcd-client-ssl._tcp.DOMAIN`` and ``_etcd-client._tcp.DOMAIN``. With
``tls`` in the file only the former count; without it, the latter where there are no former.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from supervisor import interpreter
from supervisor.core.spec import EtcdSpec
from supervisor.etcd.address import Address, is_numeric, parse
from supervisor.etcd.errors import Unreachable

T = TypeVar("T")

AGAIN_SECONDS = 30.0
AGAIN_AFTER_TROUBLE_SECONDS = 2.0
SRV_TIMEOUT_SECONDS = 15.0


class Directory:
    """The addresses of one etcd."""

    def __init__(self, spec: EtcdSpec, on_change: Callable[[tuple[Address, ...]], None]) -> None:
        """``on_change`` is told whenever the addresses are others than before. ``ValueError`` without endpoints."""
        if not spec.endpoints and spec.discovery_srv is None:
            raise ValueError("no endpoints: the local etcd's is filled in before anything connects")
        self._spec = spec
        self._on_change = on_change
        self._given = [parse(url) for url in spec.endpoints]
        self.looks_up = spec.discovery_srv is not None or not all(map(is_numeric, self._given))
        self.addresses: tuple[Address, ...] = () if self.looks_up else tuple(self._given)
        self.detail = ""
        """What the last look-up could not find."""
        self._looked_at = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def known(self) -> tuple[Address, ...]:
        """The addresses as last found; waits for the first look-up only. Raises ``Unreachable`` when it finds none."""
        if self.looks_up:
            self.look_again(AGAIN_SECONDS if self.addresses else AGAIN_AFTER_TROUBLE_SECONDS)
            if not self.addresses and self._looking is not None:
                await asyncio.shield(self._looking)
        if not self.addresses:
            raise Unreachable(f"no endpoint of etcd is known: {self.detail}")
        return self.addresses

    def look_again(self, after_seconds: float = AGAIN_AFTER_TROUBLE_SECONDS) -> None:
        """Look names up again, unless that was done within this time or is being done."""
        under_way = self._looking is not None and not self._looking.done()
        if not self.looks_up or under_way or (self._looked_at and time.monotonic() < self._looked_at + after_seconds):
            return
        self._looked_at = time.monotonic()
        self._looking = asyncio.get_running_loop().create_task(self._look(), name="look-up of etcd's endpoints")

    async def close(self) -> None:
        """End a look-up under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        problems: list[str] = []
        given = list(self._given)
        if self._spec.discovery_srv is not None:
            try:
                given = await aside(lambda: _discover(self._spec))
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                problems.append(str(error))
                given = []
        found: dict[Address, None] = {}  # a set that keeps the order
        for one, outcome in zip(given, await asyncio.gather(*map(_addresses, given)), strict=True):
            if isinstance(outcome, str):
                problems.append(outcome)
                # What a name was known for stays while it cannot be looked up.
                found.update(dict.fromkeys(a for a in self.addresses if (a.name, a.port) == (one.host, one.port)))
            else:
                found.update(dict.fromkeys(outcome))
        self.detail = "; ".join(problems)
        if found and tuple(found) != self.addresses:
            self.addresses = tuple(found)
            self._on_change(self.addresses)


async def _addresses(given: Address) -> Sequence[Address] | str:
    """Every address of an endpoint, or why there is none."""
    if is_numeric(given):
        return [given]
    try:
        answers = await aside(lambda: socket.getaddrinfo(given.host, given.port, type=socket.SOCK_STREAM))
    except OSError as error:
        return f"the name {given.host} cannot be looked up: {error.strerror or error}"
    hosts = sorted({str(answer[4][0]) for answer in answers})
    return [replace(given, host=host, name=given.host) for host in hosts]


def _discover(spec: EtcdSpec) -> list[Address]:
    """What SRV records say. Raises OSError, ValueError or SubprocessError."""
    assert spec.discovery_srv is not None
    suffix = f"-{spec.discovery_srv_name}" if spec.discovery_srv_name else ""
    secure, plain = f"etcd-client-ssl{suffix}", f"etcd-client{suffix}"
    services = [secure] if spec.tls is not None else [secure, plain]
    argv = [*interpreter.command(Path(__file__).with_name("srv.py")), spec.discovery_srv, *services]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SRV_TIMEOUT_SECONDS,
        env=dict(os.environ),
        start_new_session=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise ValueError(f"SRV records of {spec.discovery_srv}: {said[-1] if said else 'they cannot be asked for'}")
    records = json.loads(done.stdout)
    found = [Address(scheme="https", host=host, port=port) for service, host, port in records if service == secure]
    found = found or [Address(scheme="http", host=host, port=port) for _, host, port in records]
    if not found:
        names = " and ".join(f"_{service}._tcp.{spec.discovery_srv}" for service in services)
        raise ValueError(f"there are no SRV records {names}")
    return found


async def aside(call: Callable[[], T]) -> T:
    """A call that blocks, in a thread that nobody waits for at the end: the resolver's patience is not ours."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        done: asyncio.Future[T] = asyncio.Future(loop=loop)
        try:
            done.set_result(call())
        except Exception as error:  # noqa: BLE001 # raised where it is awaited
            done.set_exception(error)

        def tell() -> None:
            if outcome.done():
                done.exception()  # nobody waits any more
            elif (error := done.exception()) is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(done.result())

        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile, and nobody asks any more
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=run, name="look-up", daemon=True).start()
    return await outcome
