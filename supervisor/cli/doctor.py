"""``supervisor doctor``: are this machine and this etcd fit for a file, and what to do where they are not."""

import asyncio
import dataclasses
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from supervisor import paths
from supervisor.cli import exits, machine, places, unit
from supervisor.cli.options import chosen_socket, socket_option
from supervisor.cli.text import as_json, safe
from supervisor.config.load import load
from supervisor.config.loaded import Loaded
from supervisor.config.problems import ConfigError
from supervisor.control import views
from supervisor.core.advice import advice
from supervisor.core.evolve import replace
from supervisor.core.fitness import machine as machine_rules
from supervisor.core.fitness import store as store_rules
from supervisor.core.fitness.facts import MachineFacts, PlaceFacts
from supervisor.core.fitness.finding import Finding, Grade, fine, problem, warn, worst
from supervisor.core.names import Instant
from supervisor.core.spec import EtcdSpec, Spec
from supervisor.core.stop_budget import stop_budget_seconds
from supervisor.etcd.examine import examine
from supervisor.etcd.local import LocalEtcdMissing
from supervisor.etcd.local import find as find_local_etcd
from supervisor.processes.advice import warnings

SCHEMA_VERSION: Final = 1
_CODES: Final = {Grade.OK: exits.OK, Grade.WARNING: exits.DEGRADED, Grade.PROBLEM: exits.UNFIT}
_COLOURS: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.PROBLEM: "red"}
_UNTRIED = "what cannot be tried here may not work when it is needed"


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, readable=False))
@click.option("--node", metavar="NAME", help="Look as this node. [default: the file's, else the host name]")
@click.option(
    "--unit",
    "unit_name",
    metavar="NAME",
    help="The systemd unit. [default: a running daemon's, else that which runs FILE]",
)
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, readable=False),
    help="As that of `supervisor run`. [default: the same]",
)
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object with every finding; schema_version 1.")
@socket_option
def command(
    file: Path | None, node: str | None, unit_name: str | None, state_dir: Path | None, json_wanted: bool
) -> int:
    """Look whether this machine and this etcd are fit for FILE, and say what to do where they are not.

    FILE is /etc/supervisor/supervisor.yaml when left out. Run it as the user who runs the supervisor, beside it or before its
    first start. Etcd is asked, too: a scratch lease and scratch keys of no election are made and removed again.

    Exit code 0: all is well; 1: there are warnings; 2: there is a problem.
    """
    chosen = (file or paths.DEFAULT_FILE).absolute()
    found = _look(chosen, node, unit_name, state_dir)
    grade = worst(found)
    if json_wanted:
        shown = [dataclasses.asdict(one) for one in found]
        told = {"schema_version": SCHEMA_VERSION, "file": str(chosen), "grade": grade, "findings": shown}
        click.echo(as_json(told, indent=2))
    else:
        _print(found)
    return _CODES[grade]


def _look(chosen: Path, node: str | None, unit_name: str | None, state_dir: Path | None) -> list[Finding]:
    found, loaded = _file(chosen, node)
    spec = None if loaded is None else loaded.spec
    where: list[PlaceFacts] = [] if loaded is None else _read_places(loaded)
    control: Path | None = None
    try:
        control = chosen_socket()
        where.append(places.directory(control.parent, "socket.directory", "the socket's directory"))
    except exits.Failure as failure:
        found.append(
            problem(
                "socket.directory",
                "",
                failure.message,
                why="whoever has the socket commands the daemon",
                remedy="choose another place with --socket",
            )
        )
    try:
        state = state_dir.absolute() if state_dir else paths.state_directory(os.environ, os.geteuid())
        where.append(places.directory(state, "state.directory", "the state directory"))
    except paths.NoPlaceError as error:
        found.append(
            problem(
                "state.directory",
                "",
                str(error),
                why="tokens are remembered there",
                remedy="choose a place with --state-dir",
            )
        )
    where += [] if spec is None else places.logs(spec.process_specs().values())
    running = machine.daemon(control)
    found += _machine(chosen, unit_name, running, where, spec)
    if spec is not None and spec.elections:
        found += _etcd(spec, running)
    return found


# --- the file ------------------------------------------------------------------------------------------------------


def _file(chosen: Path, node: str | None) -> tuple[list[Finding], Loaded | None]:
    try:
        loaded = load(chosen, environ=os.environ, node=node, hostname=socket.gethostname())
    except ConfigError as error:
        why = "a daemon does not start with it, and one that runs does not adopt it"
        return [
            problem("file", f"{one.file}:{one.line}:{one.column}", one.message, why=why, remedy=one.remedy)
            for one in error.problems
        ], None
    found = [fine("file", loaded.source, f"good, as node {loaded.spec.node}")]
    told = [("", text) for text in advice(loaded.spec)]
    told += [
        (str(pid), text) for pid, process in sorted(loaded.spec.process_specs().items()) for text in warnings(process)
    ]
    why = "the file asks for what this user or this machine cannot give, or for what will not do"
    found += [
        warn("file.advice", subject, text, why=why, remedy="change the file, the user or the machine")
        for subject, text in told
    ]
    return found, loaded


def _read_places(loaded: Loaded) -> list[PlaceFacts]:
    etcd = loaded.spec.etcd
    found = [places.file(path, "file.permissions", "a file of the configuration") for path in loaded.files]
    secrets = [etcd.auth.password_file if etcd.auth else None, etcd.tls.key if etcd.tls else None]
    return found + [places.file(Path(s), "file.secret", "a secret", secret=True) for s in secrets if s is not None]


# --- the machine ---------------------------------------------------------------------------------------------------


def _machine(
    chosen: Path, unit_name: str | None, running: views.Status | None, where: Sequence[PlaceFacts], spec: Spec | None
) -> list[Finding]:
    found: list[Finding] = []
    if unit_name is not None:
        its_unit = unit.show(unit_name if "." in unit_name else f"{unit_name}.service")
        if its_unit is None:
            found.append(
                problem(
                    "unit",
                    unit_name,
                    "there is no such unit",
                    why=_UNTRIED,
                    remedy="see systemctl list-units, or leave --unit out",
                )
            )
    else:
        its_unit = unit.of_file(chosen) if running is None else unit.of_daemon(running.daemon.pid)
    tried = machine.trials()
    if isinstance(tried, str):
        found.append(warn("processes", "", tried, why=_UNTRIED, remedy="see that this Python can be run by this user"))
    trial = None if isinstance(tried, str) else tried
    facts = MachineFacts(
        clock=machine.clock(),
        guardian=None if trial is None else trial.guardian,
        trial=None if trial is None else trial.facts,
        unit=its_unit,
        containment="" if running is None else running.daemon.containment,
        places=tuple(where),
        uid=os.geteuid(),
        processes=0 if spec is None else len(spec.process_specs()),
        stop_seconds=None if spec is None else stop_budget_seconds(spec),
    )
    if running is not None and running.daemon.guardian_pid is not None:
        facts = replace(facts, guardian=machine.guardian(running.daemon.guardian_pid) or facts.guardian)
    return found + machine_rules.findings(facts)


# --- etcd ----------------------------------------------------------------------------------------------------------


def _etcd(spec: Spec, running: views.Status | None) -> list[Finding]:
    etcd, local = spec.etcd, not spec.etcd.endpoints and spec.etcd.discovery_srv is None
    if local:
        try:
            program = find_local_etcd(os.environ.get("PATH", os.defpath))
        except LocalEtcdMissing as error:
            return [
                problem(
                    "etcd.local",
                    "",
                    str(error),
                    why="without an etcd nobody can lead",
                    remedy="install etcd, or set etcd.endpoints",
                )
            ]
        if running is None or not running.store.endpoints:
            later = fine(
                "etcd.local", program, "the supervisor runs a private etcd of this machine; asked when it runs"
            )
            return [later, *(store_rules.budget(election) for election in spec.elections.values())]
        etcd = replace(etcd, endpoints=running.store.endpoints)
    return asyncio.run(_examined(spec, etcd, local=local))


async def _examined(spec: Spec, etcd: EtcdSpec, *, local: bool) -> list[Finding]:
    ttls = {election.ttl_seconds for election in spec.elections.values()}
    facts = await examine(etcd, ttls, clock=_now, local=local)
    found = store_rules.findings(facts, spec.elections)
    if not any(lease.granted_seconds is not None for lease in facts.leases):
        found += [store_rules.budget(election) for election in spec.elections.values()]
    return found


def _now() -> Instant:
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME))


# --- shown ---------------------------------------------------------------------------------------------------------


def _print(found: Sequence[Finding]) -> None:
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for one in found:
        grade = f"{one.grade:<8}"
        subject = f"{one.subject}: " if one.subject else ""
        click.echo(
            f"{click.style(grade, _COLOURS[one.grade]) if coloured else grade} {one.check:<19} {safe(subject + one.seen)}"
        )
        for label, text in (("why", one.why), ("do", one.remedy)):
            if text:
                click.echo(f"{'':9}{label:>19}  {safe(text)}")
    counts = {grade: sum(one.grade is grade for one in found) for grade in Grade}
    click.echo(
        f"\n{_count(counts[Grade.PROBLEM], 'problem')}, {_count(counts[Grade.WARNING], 'warning')}, {counts[Grade.OK]} fine"
    )


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
