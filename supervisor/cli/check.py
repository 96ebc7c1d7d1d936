"""``supervisor check``: is a file good, and how does each election spend its TTL."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import click

from supervisor.cli import exits
from supervisor.cli.text import safe, safe_lines
from supervisor.config.load import load
from supervisor.config.problems import ConfigError
from supervisor.core import timing
from supervisor.core.advice import advice
from supervisor.core.names import HOOK_MARK, ProcessName
from supervisor.core.spec import CampaignWay, ElectionSpec, ProcessSpec, Spec
from supervisor.processes.advice import warnings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option("--node", metavar="NAME", help="Check it as this node's. [default: the file's, else the host name]")
def command(file: Path, node: str | None) -> int:
    """Validate FILE and show how each election spends its TTL.

    Asks neither the daemon nor etcd. Every problem is printed as file:line:column, what is wrong and what to do, with the line
    itself; the exit code is 78 when there is one. What a good file asks for that this user or this machine cannot give is a warning: exit code 0.
    """
    try:  # click must not look first (readable=False): the file's own messages have place, remedy and 78
        loaded = load(file, environ=os.environ, node=node, hostname=socket.gethostname())
    except ConfigError as error:
        for problem in error.problems:
            click.echo(safe_lines(problem.shown()), err=True)
        count = len(error.problems)
        raise exits.Failure(f"{count} problem{'s' if count > 1 else ''} in {file}", exits.BAD_CONFIGURATION) from None
    click.echo(safe(f"{loaded.source}: good"))
    for line in summary(loaded.spec):
        click.echo(safe(line))
    for pid, process in sorted(loaded.spec.process_specs().items()):
        for warning in warnings(process):
            click.echo(safe(f"warning: {pid}: {warning}"), err=True)
    return exits.OK


def summary(spec: Spec) -> list[str]:
    """What a file asks for, in short, and the time budget of each election."""
    found = [f"  node      {spec.node}"]
    if spec.elections:
        # A local etcd gets its endpoints when it is started.
        discovered = f"SRV records of {spec.etcd.discovery_srv}" if spec.etcd.discovery_srv is not None else ""
        where = ", ".join(spec.etcd.endpoints) or discovered or "local, run by the supervisor itself"
        way = "; candidates enter by Campaign calls" if spec.etcd.campaign is CampaignWay.RPC else ""
        found.append(f"  etcd      {where}; namespace {spec.etcd.namespace}{way}")
    else:
        found.append("  etcd      not needed: no elections")
    if spec.processes:
        found.append(f"  always    {_names(spec.processes)}")
    found += [f"  warning   {text}" for text in advice(spec)]
    for name in sorted(spec.elections):
        found += ["", *_election(spec.elections[name])]
    return found


def _election(election: ElectionSpec) -> list[str]:
    spent = timing.budget(election)
    ttl = spent.ttl_seconds
    lost = 2 * spent.renew_every_seconds
    kill = ttl - spent.safety_margin_seconds
    timeline = (
        (0.0, "a renewal of the lease is sent, and acknowledged"),
        (spent.renewal_pause_seconds, "the next is sent; and again until one is acknowledged"),
        (lost, "none acknowledged: leadership is lost, leader processes get their stop signal"),
        (kill, f"what is still alive is killed; lost_grace is {_text(spent.lost_grace_seconds)}"),
        (ttl, "etcd ends the lease; another node may lead"),
    )
    return [
        f"  election  {election.name}",
        f"    leader    {_names(election.leader)}",
        f"    follower  {_names(election.follower)}",
        *([f"    hooks     {', '.join(h.removeprefix(HOOK_MARK) for h in election.hooks)}"] if election.hooks else []),
        *(f"    {_text(at):>8}  {what}" for at, what in timeline),
        f"    budget    {spent}",
    ]


def _names(processes: Mapping[ProcessName, ProcessSpec]) -> str:
    return ", ".join(sorted(processes)) or "no processes"


def _text(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
