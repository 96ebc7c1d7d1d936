"""``supervisor check``: is a file good, and how does each election spend its TTL."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from supervisor.cli import all_nodes as every_node
from supervisor.cli import exits
from supervisor.cli.options import insecure_option
from supervisor.cli.text import safe, safe_lines
from supervisor.config.loaded import Loaded
from supervisor.config.problems import ConfigError
from supervisor.core import timing
from supervisor.core.advice import advice
from supervisor.core.names import HOOK_MARK, ProcessName
from supervisor.core.spec import CampaignWay, ElectionSpec, ProcessSpec, Spec
from supervisor.core.timing import text
from supervisor.processes.advice import warnings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option("--node", metavar="NAME", help="Check it as this node's. [default: the file's, else the host name]")
@click.option(
    "--all-nodes", is_flag=True, help="Check it for every node that the file lists, and for one that it does not."
)
@insecure_option
def command(file: Path, node: str | None, all_nodes: bool, insecure_permissions: bool) -> int:
    """Validate FILE and show how each election spends its TTL.

    Asks neither the daemon nor etcd. Every problem is printed as file:line:column, what is wrong and what to do, with the line
    itself; the exit code is 78 when there is one. What a good file asks for that this user or this machine cannot give is a warning: exit code 0.

    A node that the file lists, and that is not named as this host is, is another machine: its programs and files are not
    looked for on this one.
    """
    if node is not None and all_nodes:
        raise exits.Failure("--node and --all-nodes are two answers to one question: give one of them", exits.USAGE)
    root_only = os.geteuid() == 0 and not insecure_permissions
    if all_nodes:
        return every_node.check(file, root_only=root_only)
    try:  # click must not look first (readable=False): the file's own messages have place, remedy and 78
        loaded = every_node.load_for(file, node, root_only=root_only)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(safe_lines(problem.shown()), err=True)
        count = len(error.problems)
        raise exits.Failure(f"{count} problem{'s' if count > 1 else ''} in {file}", exits.BAD_CONFIGURATION) from None
    click.echo(safe(f"{loaded.source}: good, as node {loaded.spec.node}{_listed(loaded)}"))
    for line in summary(loaded.spec):
        click.echo(safe(line))
    for problem in loaded.warnings:
        click.echo(safe(f"warning: {problem}"), err=True)
    for pid, process in sorted(loaded.spec.process_specs().items()):
        for warning in warnings(process):
            click.echo(safe(f"warning: {pid}: {warning}"), err=True)
    return exits.OK


def _listed(loaded: Loaded) -> str:
    """What the file says of other nodes."""
    if not loaded.nodes:
        return ""
    if loaded.spec.node not in loaded.nodes:
        return ", which it does not list (--all-nodes checks those that it does)"
    others = len(loaded.nodes) - 1
    return (
        f", one of {others + 1} that it lists (--all-nodes checks them all)"
        if others
        else ", the only one that it lists"
    )


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
    found += [f"  warning   {told}" for told in advice(spec)]
    for name in sorted(spec.elections):
        found += ["", *_election(spec.elections[name])]
    return found


def _election(election: ElectionSpec) -> list[str]:
    spent = timing.budget(election)
    ttl, left = spent.ttl_seconds, spent.left_seconds
    lost = 2 * spent.renew_every_seconds
    kill = ttl - spent.safety_margin_seconds
    timeline = (
        (0.0, "a renewal of the lease is sent, and acknowledged"),
        (spent.renewal_pause_seconds, "the next is sent; and again until one is acknowledged"),
        (lost, "none acknowledged: leadership is lost, leader processes get their stop signal"),
        (kill, f"what is still alive is killed; lost_grace is {text(spent.lost_grace_seconds)}"),
        (ttl, "etcd ends the lease; another node may lead"),
    )
    return [
        f"  election  {election.name}",
        f"    leader    {_names(election.leader)}",
        f"    follower  {_names(election.follower)}",
        *([f"    hooks     {', '.join(h.removeprefix(HOOK_MARK) for h in election.hooks)}"] if election.hooks else []),
        *(f"    {text(at):>8}  {what}" for at, what in timeline),
        f"    budget    {spent}",
        *_in_words(election, left),
    ]


def _in_words(election: ElectionSpec, left: float) -> list[str]:
    """What the numbers mean to whoever waits for a leader, and to the processes."""
    ttl = text(election.ttl_seconds)
    found = [
        f"    in words  a node that dies or is cut off is replaced after {ttl}; one that gives up the lead, at once"
    ]
    if election.leader:
        asked = text(max(process.stop.timeout_seconds for process in election.leader.values()))
        found.append(
            f"              to end, processes have up to {asked} when the lead is given up, {text(left)} when it is lost"
        )
    return found


def _names(processes: Mapping[ProcessName, ProcessSpec]) -> str:
    return ", ".join(sorted(processes)) or "no processes"
