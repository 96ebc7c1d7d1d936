"""Streams that end with their reader, and outlive the daemon where that is asked for: ``observe``, ``events`` and ``logs``.

Promises: a daemon that ends is waited for, and the stream goes on with the next one; what was shown is said to be unknown
meanwhile; a reader that has gone ends us at once, though nothing is to be said for days. Does not: wait for a daemon that was
not there to begin with.
"""

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from typing import Final, TypeVar

import click

from supervisor.cli import exits
from supervisor.cli.calls import daemon
from supervisor.cli.text import safe
from supervisor.control.client import Client

AGAIN_SECONDS: Final = 0.25
_GONE: Final = (exits.NOT_RUNNING, exits.UNKNOWN)

T = TypeVar("T")


def stream(
    ask: Callable[[Client], Generator[T, None, None]],
    show: Callable[[T], None],
    *,
    reconnect: bool,
    lost: Callable[[], None] = lambda: None,
) -> int:
    """Show what a daemon sends, until Ctrl-C; with ``reconnect`` also what the next daemon does, after ``lost``."""
    end_with_the_reader()
    met = waiting = False
    try:
        while True:
            try:
                with daemon() as client, closing(ask(client)) as items:
                    met = True
                    for item in items:
                        waiting = False
                        show(item)
            except exits.Failure as failure:
                if not (reconnect and met and failure.code in _GONE):
                    raise
                if not waiting:
                    waiting = True
                    click.echo(f"supervisor: {safe(failure.message)}; waiting for the next", err=True)
                    lost()
                time.sleep(AGAIN_SECONDS)
            else:
                return exits.OK
    except KeyboardInterrupt:
        return exits.OK


def end_with_the_reader() -> None:
    """``observe | head -1`` is over when head is, not at the next change, which may be days away."""
    threading.Thread(target=_wait_for_the_reader, daemon=True).start()


def _wait_for_the_reader() -> None:
    poll = select.poll()
    with suppress(OSError, ValueError):  # no descriptor: then nobody can leave it
        poll.register(sys.stdout.fileno(), 0)  # reports nothing but errors and hang-ups
        poll.poll()
        # Each line was flushed when it was printed; an exception would not reach a main thread that waits for gRPC.
        os._exit(exits.OK)
