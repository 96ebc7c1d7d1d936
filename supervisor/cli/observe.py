"""``supervisor observe``: who leads, as a stream of JSON lines."""

from dataclasses import replace
from datetime import UTC, datetime

import click

from supervisor.cli import answers, completion
from supervisor.cli.options import socket_option
from supervisor.cli.streams import stream
from supervisor.cli.text import as_json
from supervisor.control import views


@click.command()
@click.argument("elections", metavar="[ELECTION]...", nargs=-1, shell_complete=completion.elections)
@click.option("--no-reconnect", is_flag=True, help="End with 3 when the daemon ends, instead of waiting for the next.")
@socket_option
def command(elections: tuple[str, ...], *, no_reconnect: bool) -> int:
    """Print who leads, now and at every change, one JSON object per line.

    Every election when none is named. Lines carry the proclaimed document, the fencing token, the source and the age of
    what they say. When the daemon ends, each election that was told of is said to be unknown, and it goes on with the next
    daemon. Ends with 0 at Ctrl-C or when nobody reads any more.
    """
    told: dict[str, views.Observation] = {}

    def show(observation: views.Observation) -> None:
        told[observation.election] = observation
        click.echo(as_json(answers.observation(observation)))

    def lost() -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        for last in told.values():
            words = f"unknown (the daemon has ended; last known: {last.leader.words})"
            unknown = views.Leader(state=views.UNKNOWN, words=words)
            click.echo(as_json(answers.observation(replace(last, at=at, leader=unknown))))

    return stream(lambda client: client.observe(*elections), show, reconnect=not no_reconnect, lost=lost)
