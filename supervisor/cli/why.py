"""``supervisor status --why``: what led here, in sentences.

Made of the state as it is, and of the last events of the election and of what concerns the whole daemon. Does not: guess.
"""

from collections.abc import Sequence

import click

from supervisor.cli import answers, exits
from supervisor.cli.calls import daemon, led_by
from supervisor.cli.text import as_json, safe
from supervisor.control import views
from supervisor.control.words import duration

SHOWN = 20
_NOW = {
    "detached": "is no candidate",
    "campaigning": "is entering the queue",
    "following": "waits in the queue",
    "proving": "is first in the queue and has its win proven",
    "leading": "leads",
    "stepping-down": "is giving the lead up",
    "resigning": "is taking its key away",
}


def tell(election: str, *, json_wanted: bool) -> int:
    """What led here. 0 whenever it could be told."""
    with daemon() as connected:
        happened = list(connected.events(election, lines=SHOWN))
        status = connected.status(election)
        (found,) = status.elections
    if json_wanted:
        for one in happened:
            click.echo(as_json(answers.happening(one)))
    else:
        for line in sentences(found, happened, drained=status.daemon.drained):
            click.echo(safe(line))
    return exits.OK


def sentences(e: views.Election, happened: Sequence[views.Happening], *, drained: str = "") -> list[str]:
    """How it stands, why, and what happened before that, oldest first."""
    token = f" (token {e.token})" if e.token is not None else ""
    now = f"this node {_NOW.get(e.phase, e.phase)}{token if e.phase == 'leading' else ''}"
    told = [f"{e.name}: {now}, for {duration(e.since_seconds)}: {e.cause or 'nothing is noted'}."]
    if e.phase != "leading":
        told.append(f"  Who leads: {led_by(e.leader)}.")
    if e.waiting_for:
        told.append(f"  It waits for {e.waiting_for}.")
    if e.paused:
        told.append(f"  It is PAUSED {e.paused}: nobody moves, and nobody takes over (supervisor resume).")
    if drained:
        told.append(f"  This node is DRAINED {drained}: it leads nothing (supervisor undrain).")
    if e.switchover:
        told.append(f"  Switchover: {e.switchover}.")
    if e.unfit:
        told.append(f"  Its standby keeps it from standing: {e.unfit}.")
    if e.cooldown_seconds is not None:
        told.append(f"  It stands again in {duration(e.cooldown_seconds)} ({e.cooldown_until}).")
    if not happened:
        return [*told, "  Nothing that happened to it is kept in memory: the daemon, or what it keeps, is newer."]
    return [*told, "What happened, oldest first:", *(f"  {h.at}  {h.text}" for h in happened)]
