"""Talking to the daemon: its errors become a message and an exit code.

Imports gRPC: for the verbs that need the daemon, never for ``run`` or ``check``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from supervisor.cli import exits
from supervisor.cli.options import chosen_socket
from supervisor.control import client, views
from supervisor.control.client import Client

_CODES = {
    client.NotRunning: exits.NOT_RUNNING,
    client.NotAnswering: exits.UNKNOWN,
    client.NotPermitted: exits.NOT_PERMITTED,
    client.UnknownName: exits.USAGE,
    client.BadSocket: exits.USAGE,
    client.OtherVersion: exits.INTERNAL,
    client.BrokenAnswer: exits.INTERNAL,
}


@contextmanager
def daemon() -> Iterator[Client]:
    """The daemon at the chosen socket. Raises Failure for whatever goes wrong with it."""
    try:
        with Client(chosen_socket()) as connected:
            yield connected
    except client.ControlError as error:
        raise failure(error) from error


def failure(error: client.ControlError) -> exits.Failure:
    """What went wrong, with its exit code."""
    return exits.Failure(str(error), _CODES[type(error)])


def led_by(leader: views.Leader) -> str:
    """Who leads, as a sentence's beginning: ``web-2 leads (token 1240)``."""
    if leader.state == views.NONE:
        return "nobody leads"
    if leader.state == views.UNKNOWN:
        return f"who leads is {leader.words}"
    who = "this node" if leader.ours else leader.words
    return f"{who} leads (token {leader.token})"
