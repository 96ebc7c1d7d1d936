"""``supervisor init``: a commented file to start from, for this machine."""

import errno
import os
import socket
from pathlib import Path
from typing import Final

import click

from supervisor import paths
from supervisor.cli import exits
from supervisor.cli.text import safe
from supervisor.config.load import load
from supervisor.config.problems import ConfigError, Refused
from supervisor.config.values import name as checked_name
from supervisor.etcd.local import LocalEtcdMissing
from supervisor.etcd.local import find as find_local_etcd

_PORT: Final = 2379
_PATIENCE_SECONDS: Final = 1.0
_MODE: Final = 0o640

_FILE: Final = """\
# What this node does: which elections it takes part in, and which commands each role runs.
# `supervisor check {file}` validates it and shows how each election spends its ttl;
# `supervisor doctor {file}` looks whether this machine and its etcd are fit for it.

# No two nodes of a fleet may share a name. Left out, it is the host name.
{node}

{etcd}
elections:
  # The name is what etcd knows: `etcdctl elect -l /supervisor/example` shows who leads.
  example:
    # A leader that dies without a word is replaced after this long at most. Shorter is quicker, and asks more of the network.
    ttl: 10s
    leader:
      processes:
        # Runs on the one node that leads. Replace it by your own command; it is executed as it is, without a shell.
        worker:
          command: {command}
          # Asked to end by SIGTERM, killed after this long; the lease is kept alive meanwhile.
          stop: {{timeout: 10s}}
          # user: www-data
          # log: {{file: {log}}}
    # What runs on every node that does not lead:
    # follower:
    #   processes:
    #     replica: {{command: [/usr/bin/my-replica]}}

# What runs on every node, whoever leads:
# processes:
#   exporter: {{command: [/usr/bin/my-exporter]}}
"""

_FOUND: Final = """\
# An etcd of this machine answers. Name every member of its cluster, so that a lost one is left within one renewal.
etcd:
  endpoints:
    - {endpoint}
  # With https:// endpoints: tls: {{ca: ca.pem, cert: node.pem, key: node-key.pem}}
  # A user with read-write on /supervisor/, /supervisor.ctl/ and /supervisor.log/: auth: {{user: ..., password_file: ...}}
"""

_PRIVATE: Final = """\
# No etcd answers on this machine: without endpoints the supervisor runs a private one, for this machine alone{lacking}
# For a fleet name every member of your etcd:
# etcd:
#   endpoints:
#     - http://10.0.0.1:2379
#     - http://10.0.0.2:2379
#     - http://10.0.0.3:2379
"""


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, readable=False))
@click.option("--node", metavar="NAME", help="Name of this node. [default: the host name]")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(file: Path | None, node: str | None, force: bool) -> int:
    """Write a commented starting file for this machine.

    FILE is /etc/supervisor/supervisor.yaml when left out. A file that is there is left as it is, unless --force is given.
    What is written passes `supervisor check`, and what comes next is said.
    """
    chosen = file or paths.DEFAULT_FILE
    text = _text(chosen, node)
    _write(chosen, text, force=force)
    try:
        load(chosen, environ=os.environ, hostname=socket.gethostname())
    except ConfigError as error:  # a bug of ours
        raise exits.Failure(f"what was written to {chosen} is no good: {error}", exits.INTERNAL) from None
    click.echo(safe(f"{chosen}: written"))
    for line in _next(chosen):
        click.echo(safe(line))
    return exits.OK


def _text(chosen: Path, node: str | None) -> str:
    etcd = _etcd()
    return _FILE.format(
        file=chosen, node=_node(node), etcd=etcd, command=_example(), log="/var/log/supervisor/worker.log"
    )


def _node(given: str | None) -> str:
    name = given if given is not None else socket.gethostname()
    try:
        checked_name(name)
    except Refused as error:
        if given is not None:
            raise exits.Failure(f"--node {error}", exits.USAGE) from None
        # A host name that cannot be a node's: they have to choose.
        return "node: node-1"
    # Quoted: a name such as 'no' or '1e3' is otherwise something else in YAML.
    return f'node: "{name}"' if given is not None else f'# node: "{name}"'


def _etcd() -> str:
    """The part on etcd: an etcd that answers here, or how to name one."""
    endpoint = f"http://127.0.0.1:{_PORT}"
    if _answers(_PORT):
        return _FOUND.format(endpoint=endpoint)
    try:
        program = find_local_etcd(os.environ.get("PATH", os.defpath))
    except LocalEtcdMissing:
        return _PRIVATE.format(
            lacking=".\n# There is none to run, though: pip install 'election-supervisor[local]', or apt install etcd-server."
        )
    return _PRIVATE.format(lacking=f"\n# ({program}).")


def _answers(port: int) -> bool:
    """Whether something that says it is an etcd listens on loopback."""
    import http.client  # noqa: PLC0415 # for this verb alone

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", "/version")
        return b"etcdserver" in connection.getresponse().read(1000)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _example() -> str:
    """A command that exists here, needs nothing and shows the token."""
    script = "while :; do echo leading with token $SUPERVISOR_FENCING_TOKEN; sleep 5; done"
    shell = next((p for p in ("/bin/sh", "/usr/bin/sh") if os.access(p, os.X_OK)), "sh")
    return f"[{shell}, -c, '{script}']"


def _write(chosen: Path, text: str, *, force: bool) -> None:
    """All of it or nothing, and never over a file or through a link that somebody put there meanwhile."""
    fresh = chosen.with_name(f".{chosen.name}.{os.getpid()}.new")
    try:
        if os.path.lexists(chosen) and not force:
            raise FileExistsError  # noqa: TRY301 # as link() would say it
        _make_directory(chosen.parent)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            if force:
                fresh.replace(chosen)
            else:
                os.link(fresh, chosen)  # refuses, unlike rename, what is there already
        finally:
            fresh.unlink(missing_ok=True)
    except FileExistsError:
        raise exits.Failure(f"{chosen} is there already; --force writes over it", exits.USAGE) from None
    except OSError as error:
        code = exits.NOT_PERMITTED if isinstance(error, PermissionError) else exits.USAGE
        raise exits.Failure(f"{chosen} cannot be written: {error.strerror}; name another place", code) from None


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"{directory} is not a directory") from None


def _next(chosen: Path) -> list[str]:
    file = "" if chosen == paths.DEFAULT_FILE else f" {chosen}"
    return [
        "next:",
        f"  edit {chosen}: the endpoints of your etcd, the name of the election, its command",
        f"  supervisor check {chosen}",
        f"  supervisor doctor{file}",
        f"  supervisor run{file}            (or, with the unit: systemctl enable --now supervisor)",
    ]
