"""A file for a node that may be another machine, and for all of them: ``check --node`` and ``check --all-nodes``.

Promises: what several nodes have wrong is printed once, with their names. Does not: ask any of them.
"""

import os
import socket
from pathlib import Path

import click

from supervisor.cli import exits
from supervisor.cli.text import safe
from supervisor.config.load import listed_nodes, load
from supervisor.config.loaded import Loaded
from supervisor.config.problems import ConfigError, Problem

UNLISTED = "any-other-node"
"""Stands for a node that the file does not list."""


def load_for(file: Path, node: str | None, *, root_only: bool) -> Loaded:
    """The file as this node runs it, here or elsewhere. Raises ConfigError."""
    hostname = socket.gethostname()
    known = listed_nodes(file, environ=os.environ, hostname=hostname)
    here = node in (None, known.own, hostname) or node not in (*known.names, UNLISTED)
    return load(file, environ=os.environ, node=node, hostname=hostname, root_only=root_only, here=here)


def check(file: Path, *, root_only: bool) -> int:
    """Every node that the file lists, and one that it does not, if such a one may run it."""
    names = _nodes(file)
    found: dict[Problem, list[str]] = {}
    warned: dict[Problem, list[str]] = {}
    good = []
    for name in names:
        try:
            loaded = load_for(file, name, root_only=root_only)
        except ConfigError as error:
            for problem in error.problems:
                found.setdefault(problem, []).append(name)
        else:
            good.append((name, loaded))
            for warning in loaded.warnings:
                warned.setdefault(warning, []).append(name)
    for problem, nodes in found.items():
        click.echo(safe(f"{problem} [{_which(nodes, names)}]"), err=True)
    for warning, nodes in warned.items():
        click.echo(safe(f"warning: {warning} [{_which(nodes, names)}]"), err=True)
    for name, loaded in good:
        click.echo(safe(f"{loaded.source}: good, as node {name}: {_asks_for(loaded)}"))
    if found and all(nodes == [UNLISTED] for nodes in found.values()):
        click.echo(
            "only a node that is not listed has problems; 'unlisted_nodes: refuse' says that there is none", err=True
        )
    if found:
        count, bad = len(found), len(names) - len(good)
        text = f"{count} problem{'s' if count > 1 else ''} in {file}, on {bad} of {len(names)} nodes"
        raise exits.Failure(text, exits.BAD_CONFIGURATION)
    return exits.OK


def _nodes(file: Path) -> list[str]:
    known = listed_nodes(file, environ=os.environ, hostname=socket.gethostname())
    if not known.runs_unlisted:
        return [*known.names] or [known.own]
    other = known.own if known.own not in known.names else UNLISTED
    return [*known.names, other]


def _which(nodes: list[str], names: list[str]) -> str:
    if len(nodes) == len(names) > 1:
        return "every node"
    return ", ".join(nodes)


def _asks_for(loaded: Loaded) -> str:
    elections = ", ".join(sorted(loaded.spec.elections)) or "none"
    return f"elections {elections}; processes beside them {', '.join(sorted(loaded.spec.processes)) or 'none'}"
