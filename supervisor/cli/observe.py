"""``supervisor observe``: who leads, as a stream of JSON lines."""

import os
import select
import sys
import threading
from contextlib import closing, suppress

import click

from supervisor.cli import answers, completion, exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option
from supervisor.cli.text import as_json


@click.command()
@click.argument("elections", metavar="[ELECTION]...", nargs=-1, shell_complete=completion.elections)
@socket_option
def command(elections: tuple[str, ...]) -> int:
    """Print who leads, now and at every change, one JSON object per line.

    Every election when none is named. Lines carry the proclaimed document, the fencing token, the source and the age of
    what they say. Ends with 0 at Ctrl-C or when nobody reads any more, and with 3 when the daemon ends.
    """
    end_with_the_reader()
    try:
        with daemon() as connected, closing(connected.observe(*elections)) as observations:
            for observation in observations:
                click.echo(as_json(answers.observation(observation)))
    except KeyboardInterrupt:
        return exits.OK
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
