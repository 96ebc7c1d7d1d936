"""``supervisor drill``: rehearses a failure with a harmless process, and prints overlap and gap."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from supervisor import paths
from supervisor.cli import exits
from supervisor.cli.etcd_options import chosen_etcd, etcd_options, given
from supervisor.cli.options import color_option, duration
from supervisor.cli.text import as_json, safe

if TYPE_CHECKING:
    from supervisor.cli.drilling.conductor import Plan
    from supervisor.core.spec import EtcdSpec

T = TypeVar("T")

_WHAT: Final = ("kill", "freeze", "partition", "join")
_WAIT_SECONDS: Final = 60.0


@click.command()
@click.argument("what", nargs=-1, required=True, type=click.Choice(_WHAT))
@click.option(
    "--election",
    default="scratch",
    show_default=True,
    metavar="NAME",
    help="The scratch election, where those who drill meet. Refused when it is a real one.",
)
@click.option(
    "--local",
    type=click.IntRange(min=1, max=9),
    default=1,
    metavar="N",
    help="Run N scratch nodes on this machine: with 2 and more nobody else is needed. [default: 1]",
)
@click.option(
    "--nodes",
    type=click.IntRange(min=2, max=100),
    metavar="N",
    help="How many nodes are to take part, this one included. [default: those of --local, and at least 2]",
)
@click.option(
    "--rounds", type=click.IntRange(min=1, max=1000), default=1, show_default=True, help="Rounds of each kind."
)
@click.option("--ttl", default="5s", show_default=True, help="Time to live of the scratch leases.")
@click.option(
    "--wait",
    "wait_seconds",
    type=duration,
    metavar="DURATION",
    help="For the nodes to be there. [default: 60s; of join: no limit]",
)
@click.option("--stay", is_flag=True, help="join: take part in every drill until Ctrl-C, not in the next one only.")
@click.option(
    "--node", metavar="NAME", help="Name of this node in the drill; .drill is added. [default: the host name]"
)
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object with every timestamp; schema_version 1.")
@color_option
@etcd_options
def command(
    what: tuple[str, ...],
    election: str,
    local: int,
    nodes: int | None,
    rounds: int,
    ttl: str,
    wait_seconds: float | None,
    stay: bool,
    node: str | None,
    json_wanted: bool,
    color: str,
) -> int:
    """Rehearse a failure of this node: kill, freeze or partition (or several), with a probe in a scratch election.

    Scratch daemons, the same program as the real one, stand in an election that lives only for the drill; their only process
    writes timestamps. The one on this node leads and is struck: killed by SIGKILL, frozen by SIGSTOP, or cut off etcd (by
    nftables; needs root; only its own packets, and undone by the kernel whatever becomes of the drill). Run `supervisor drill
    join` on the other nodes, or --local 3 to rehearse on this machine alone. Printed are the overlap (for how long two probes
    lived at once: it must be 0) and the gap (for how long none did), each as far as clocks allow to know. No real election and
    no real daemon is touched.

    Exit code: 0 overlap 0 in every round, proven; 1 in one it was not seen but could not be excluded; 2 an overlap, or nobody
    took over, or nothing was recorded; 75 the nodes were not there in time.
    """
    from supervisor.cli.drilling.scratch import node_name  # noqa: PLC0415 # not for --help

    etcd = chosen_etcd()
    _check(election, ttl)
    name = node_name(node or socket.gethostname().partition(".")[0])
    if "join" in what:
        if len(what) > 1:
            raise click.UsageError("join takes part in others' drills: it is named alone")
        from supervisor.cli.drilling.joiner import join  # noqa: PLC0415 # not for --help

        return _run(join(etcd, election=election, node=name, wait_seconds=wait_seconds, stay=stay, say=_say))
    if stay:
        raise click.UsageError("--stay belongs to join")
    plan = _plan(etcd, what, election, name, ttl, rounds=rounds, nodes=nodes, local=local, wait_seconds=wait_seconds)
    return _conduct(plan, color, json_wanted=json_wanted)


def _plan(
    etcd: "EtcdSpec",
    what: Sequence[str],
    election: str,
    node: str,
    ttl: str,
    *,
    rounds: int,
    nodes: int | None,
    local: int,
    wait_seconds: float | None,
) -> "Plan":
    """What is to be done, if it can be done here. Raises Failure."""
    from supervisor.cli.drilling import cut  # noqa: PLC0415 # not for --help
    from supervisor.cli.drilling.conductor import Plan  # noqa: PLC0415
    from supervisor.config import values  # noqa: PLC0415
    from supervisor.core.drill import Kind  # noqa: PLC0415

    kinds = tuple(Kind(word) for word in what)
    if Kind.PARTITION in kinds and (why := cut.refusal()):
        raise exits.Failure(why, exits.NOT_PERMITTED)
    return Plan(
        etcd=etcd,
        election=election,
        node=node,
        ttl=ttl,
        ttl_seconds=values.ttl_seconds(ttl),
        kinds=kinds,
        rounds=rounds,
        nodes=max(nodes or 2, local),
        local=local,
        wait_seconds=_WAIT_SECONDS if wait_seconds is None else wait_seconds,
        group=cut.own_group() if Kind.PARTITION in kinds else None,
    )


def _conduct(plan: "Plan", color: str, *, json_wanted: bool) -> int:
    from supervisor.cli.drilling import conductor, sheet  # noqa: PLC0415 # not for --help

    done = _run(conductor.conduct(plan, say=_say, show=lambda one: _say(sheet.line(one))))
    if json_wanted:
        click.echo(as_json(sheet.answer(plan.election, plan.ttl_seconds, done), indent=2))
    else:
        sheet.show_rounds(done, sys.stdout, color)
    return conductor.exit_code(done)


def _check(election: str, ttl: str) -> None:
    """What must be so before anything is begun. Raises UsageError and Failure."""
    from supervisor.config import values  # noqa: PLC0415 # not for --help
    from supervisor.config.load import load  # noqa: PLC0415
    from supervisor.config.problems import ConfigError, Refused  # noqa: PLC0415

    try:
        values.name(election)
        values.ttl_seconds(ttl)
    except Refused as error:
        raise click.UsageError(str(error)) from None
    path = Path(given().get("file", paths.DEFAULT_FILE))
    if not path.exists():
        return
    try:
        spec = load(path, environ=os.environ, node=None, hostname=socket.gethostname()).spec
    except ConfigError:
        return  # what is in etcd is asked as well, and decides
    if election in spec.elections:
        why = f"{election} is an election of {path}: a drill never touches a real one; leave --election out, or choose another name"
        raise exits.Failure(why, exits.USAGE)


def _say(text: str) -> None:
    """Progress: on standard error, so that standard output holds the result alone."""
    click.echo(safe(text), err=True)


def _run(work: Coroutine[object, object, T]) -> T:
    """To its end; SIGTERM ends it as Ctrl-C does, with everything mended and taken away."""
    from supervisor.core.drill import BadBeatsError  # noqa: PLC0415
    from supervisor.etcd import errors  # noqa: PLC0415

    async def guarded() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise exits.Failure("the drill was ended by SIGTERM", 128 + signal.SIGTERM) from None
    except BadBeatsError as error:
        raise exits.Failure(f"the record of the drill is spoilt: {error}", exits.UNFIT) from None
    except (errors.PermissionDenied, errors.AuthFailed) as error:
        raise exits.Failure(str(error), exits.NOT_PERMITTED) from None
    except errors.FileUnusable as error:
        raise exits.Failure(str(error), exits.USAGE) from None
    except errors.StoreError as error:
        raise exits.Failure(str(error), exits.ETCD_UNREACHABLE) from None
