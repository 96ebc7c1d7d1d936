"""Asking etcd itself, from any machine: for what needs no daemon.

Where it is, ``etcd_options`` says.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from supervisor.cli import exits
from supervisor.cli.etcd_options import chosen_etcd
from supervisor.control import past, views
from supervisor.control.ports import Ledger
from supervisor.core.names import ElectionName, Instant
from supervisor.etcd import errors
from supervisor.etcd.store import EtcdStore

TIMEOUT_SECONDS: Final = 5.0

T = TypeVar("T")


def history(election: str) -> views.History:
    """What is on record of an election's terms."""
    if not election or "/" in election:
        raise exits.Failure(f"{election}: no election can be named so", exits.USAGE)
    pages = ask(lambda store: store.history(ElectionName(election), timeout_seconds=TIMEOUT_SECONDS))
    if not pages:
        raise exits.Failure(f"{election}: nothing is on record of such an election", exits.USAGE)
    return past.describe_history(election, Ledger(pages=pages))


def ask(question: Callable[[EtcdStore], Awaitable[T]]) -> T:
    """The answer of the etcd of this invocation. Raises Failure for whatever goes wrong with it."""
    spec = chosen_etcd()

    async def run() -> T:
        store = EtcdStore(spec, clock=lambda: Instant(time.clock_gettime(time.CLOCK_BOOTTIME)), on_event=lambda _: None)
        try:
            return await question(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (errors.PermissionDenied, errors.AuthFailed) as error:
        raise exits.Failure(str(error), exits.NOT_PERMITTED) from None
    except errors.FileUnusable as error:
        raise exits.Failure(str(error), exits.USAGE) from None
    except errors.StoreError as error:
        raise exits.Failure(str(error), exits.ETCD_UNREACHABLE) from None
