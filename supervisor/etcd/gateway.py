"""Whether etcd's HTTP gateway takes our client certificate: what the guardian will need when the daemon is dead.

With auth on, the gateway refuses every request of a client whose certificate has a CommonName (decision 12); gRPC takes it,
so that all is well until the day it is not. It is asked, rather than the certificate read: only etcd knows whether auth is on.
Promises: asked at the start, and again from time to time, since auth may be switched on and certificates replaced; told of
when it changes. Does not: hold anything up, or say anything while the gateway does not answer.
"""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from supervisor import interpreter
from supervisor.core.events import Event
from supervisor.core.spec import TlsSpec
from supervisor.core.store_events import GatewaySeen
from supervisor.etcd.address import Address
from supervisor.etcd.channel import Channels
from supervisor.etcd.directory import aside
from supervisor.etcd.errors import StoreError

AGAIN_SECONDS = 300.0
RETRY_SECONDS = 5.0
PROCESS_SECONDS = 10.0
ON_COMMON_NAME = "commonname of client"
"""As etcd 3.4 to 3.6 begin the refusal, in lower case."""


class GatewayWatch:
    """Asks after the gateway of one etcd, whoever of its members answers."""

    def __init__(self, channels: Channels, tls: TlsSpec, on_event: Callable[[Event], None]) -> None:
        """``tls`` has a client certificate."""
        self._channels = channels
        self._tls = tls
        self._on_event = on_event

    async def run(self) -> NoReturn:
        """Ask until cancelled."""
        known: str | None = None  # told at first in any case, as permissions are
        while True:
            refusal = await self._ask()
            if refusal is not None and refusal != known:
                known = refusal
                self._on_event(GatewaySeen(refusal=refusal))
            await asyncio.sleep(RETRY_SECONDS if refusal is None else AGAIN_SECONDS)

    async def _ask(self) -> str | None:
        """Why it would refuse the guardian; empty when it would not; None when nobody answers."""
        with contextlib.suppress(StoreError):
            await self._channels.known()
        for address in self._channels.directory.addresses:
            if address.secure and (answer := await self._asked(address)) is not None:
                return refusal(*answer)
        return None

    async def _asked(self, address: Address) -> tuple[int, str] | None:
        return await aside(lambda: _answer(address, self._tls))


def refusal(status: int, said: str) -> str:
    """What an answer means for the guardian: empty when the gateway would serve it."""
    if ON_COMMON_NAME in said.lower():
        return said.strip()
    if status == 404:
        return "it is switched off (--enable-grpc-gateway=false)"
    return ""


def _answer(address: Address, tls: TlsSpec) -> tuple[int, str] | None:
    question = {
        "url": address.dialled,
        "ca": tls.ca,
        "cert": tls.cert,
        "key": tls.key,
        "server_name": tls.server_name,
    }
    try:
        done = subprocess.run(
            interpreter.command(Path(__file__).with_name("gateway_ask.py")),
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_SECONDS,
            env=dict(os.environ),
            start_new_session=True,
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return None if answer is None else (int(answer["status"]), str(answer["said"]))
