"""``supervisor leader``: who leads an election, as far as this node knows."""

import click

from supervisor.cli import answers, completion, exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option
from supervisor.cli.text import as_json, safe
from supervisor.control import documents, views
from supervisor.control.words import duration


@click.command()
@click.argument("election", shell_complete=completion.elections)
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object, as observe prints them.")
@click.option("--is-me", is_flag=True, help="Print nothing; exit code 0 if this node leads, 1 if it does not.")
@socket_option
def command(election: str, json_wanted: bool, *, is_me: bool) -> int:
    """Show who leads ELECTION: the name first, then what is known of it.

    Exit code 75 when nobody leads, 4 when that is not known. With --is-me: 0 while this node leads by a lease that is proven
    and its processes may run, 1 when another node or nobody leads or the lead is being given up, 4 when that is not known, 3
    when no daemon runs: a check for keepalived, HAProxy's external-check and cron.
    """
    with daemon() as connected:
        observation = connected.leader(election)
    leader = observation.leader
    if is_me:
        return exits.OK if leader.leading else exits.UNKNOWN if leader.state == views.UNKNOWN else exits.NOT_ME
    if json_wanted:
        click.echo(as_json(answers.observation(observation), indent=2))
    else:
        for line in lines(leader):
            click.echo(safe(line))
    return {views.KNOWN: exits.OK, views.NONE: exits.TIMED_OUT}.get(leader.state, exits.UNKNOWN)


def lines(leader: views.Leader) -> list[str]:
    """The answer for people."""
    if leader.state != views.KNOWN:
        return [leader.words]
    document = documents.parse(leader.value)
    value = as_json(document.get("value")) if document and not leader.foreign else leader.value
    facts = {
        "token": str(leader.token),
        "key": leader.key,
        "state": leader.proclaimed_state,
        "health": leader.proclaimed_health,
        "since": leader.proclaimed_since,
        "value": value,
        "known by": f"{leader.source}, {duration(leader.age_seconds or 0.0)} ago",
    }
    first = leader.words + (" (this node)" if leader.ours else " (not a supervisor)" if leader.foreign else "")
    return [first, *(f"  {label:<9} {fact}" for label, fact in facts.items() if fact)]
