"""``supervisor observe``: who leads, as a stream of JSON lines."""

from contextlib import closing

import click

from supervisor.cli import answers, exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option
from supervisor.cli.text import as_json


@click.command()
@click.argument("elections", metavar="[ELECTION]...", nargs=-1)
@socket_option
def command(elections: tuple[str, ...]) -> int:
    """Print who leads, now and at every change, one JSON object per line.

    Every election when none is named. Lines carry the proclaimed document, the fencing token, the source and the age of
    what they say. Ends at Ctrl-C with 0, and with 3 when the daemon ends.
    """
    try:
        with daemon() as connected, closing(connected.observe(*elections)) as observations:
            for observation in observations:
                click.echo(as_json(answers.observation(observation)))
    except KeyboardInterrupt:
        return exits.OK
    return exits.OK
