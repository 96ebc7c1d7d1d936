"""Asking etcd itself, as a file names it, from any machine: for what needs no daemon."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from supervisor.cli import exits
from supervisor.cli.text import safe
from supervisor.config.load import load
from supervisor.config.problems import ConfigError
from supervisor.control import past, views
from supervisor.control.ports import Ledger
from supervisor.core.names import ElectionName, Instant
from supervisor.core.spec import EtcdSpec
from supervisor.etcd.errors import AuthFailed, StoreError
from supervisor.etcd.store import EtcdStore

TIMEOUT_SECONDS = 5.0

T = TypeVar("T")


def history(file: Path, election: str) -> views.History:
    """What is on record of an election's terms."""
    if not election or "/" in election:
        raise exits.Failure(f"{election}: no election can be named so", exits.USAGE)
    pages = ask(file, lambda store: store.history(ElectionName(election), timeout_seconds=TIMEOUT_SECONDS))
    if not pages:
        raise exits.Failure(f"{election}: nothing is on record of such an election", exits.USAGE)
    return past.describe_history(election, Ledger(pages=pages))


def ask(file: Path, question: Callable[[EtcdStore], Awaitable[T]]) -> T:
    """The answer of the etcd that a file names. Raises Failure for whatever goes wrong with either."""
    spec = _etcd(file)

    async def run() -> T:
        store = EtcdStore(spec, clock=lambda: Instant(time.clock_gettime(time.CLOCK_BOOTTIME)), on_event=lambda _: None)
        try:
            return await question(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except AuthFailed as error:
        raise exits.Failure(str(error), exits.NOT_PERMITTED) from None
    except StoreError as error:
        raise exits.Failure(str(error), exits.ETCD_UNREACHABLE) from None


def _etcd(file: Path) -> EtcdSpec:
    try:
        etcd = load(file, environ=os.environ, node=None, hostname=socket.gethostname()).spec.etcd
    except ConfigError as error:
        for problem in error.problems:
            click.echo(safe(str(problem)), err=True)
        raise exits.Failure(f"{file} cannot be used", exits.BAD_CONFIGURATION) from None
    if not etcd.endpoints and etcd.discovery_srv is None:
        where = "its etcd is the local one of its daemon: ask that, without --file"
        raise exits.Failure(f"{file} names no endpoints; {where}", exits.USAGE)
    return etcd
