"""Where etcd is, for the verbs that ask it themselves: from the file, from options, or as etcdctl is told.

Promises: a password is never on a command line: it comes from a file or from the environment, and goes on through a file in
memory that only this process can name; every mistake is a usage error that says what to write. Does not: connect.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from supervisor import paths
from supervisor.cli import exits
from supervisor.config.problems import Refused

if TYPE_CHECKING:
    from supervisor.core.spec import AuthSpec, EtcdSpec

F = TypeVar("F", bound=Callable[..., object])

_META, _TYPED = "supervisor.etcd", "supervisor.etcd.typed"
PASSWORD_VARIABLE = "SUPERVISOR_ETCD_PASSWORD"  # noqa: S105 # the name of one

_OPTIONS = (
    ("--file", "FILE", None, "Take etcd's address, TLS files and user from this file's etcd section. [default:"
        f" {paths.DEFAULT_FILE} when it exists and no endpoints are given]"),
    ("--endpoints", "URL[,URL]...", "ETCDCTL_ENDPOINTS", "Addresses of etcd, instead of the file's."),
    ("--namespace", "PREFIX", None, "Key prefix of the elections. [default: the file's, else /supervisor]"),
    ("--cacert", "FILE", "ETCDCTL_CACERT", "Certificate authority of etcd's certificate."),
    ("--cert", "FILE", "ETCDCTL_CERT", "Our certificate for etcd."),
    ("--key", "FILE", "ETCDCTL_KEY", "Its key."),
    ("--user", "NAME", None, f"User of etcd; its password comes from --password-file or ${PASSWORD_VARIABLE}."),
    ("--password-file", "FILE", None, "File that holds the password of that user."),
)  # fmt: skip


def etcd_options(command: F) -> F:
    """The options that say where etcd is; ``chosen_etcd`` gives what they came to."""

    def remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None and param.name is not None:
            ctx.meta.setdefault(_META, {})[param.name] = value
            if ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
                ctx.meta[_TYPED] = True

    for name, metavar, variable, text in reversed(_OPTIONS):
        shown = f"{text} [env: {variable}]" if variable else text
        command = click.option(
            name, metavar=metavar, envvar=variable, expose_value=False, callback=remember, help=shown
        )(command)
    return command


def typed() -> bool:
    """Whether any was on the command line: what the environment says of etcd may be meant for others."""
    return bool(click.get_current_context().meta.get(_TYPED))


def given() -> dict[str, str]:
    """What was said, by the option's name with underscores."""
    found = click.get_current_context().meta.get(_META, {})
    assert isinstance(found, dict)
    return found


def chosen_etcd() -> "EtcdSpec":
    """The etcd of this invocation. Raises UsageError, or Failure for a file that is not good."""
    from supervisor.core.spec import EtcdSpec, TlsSpec  # noqa: PLC0415 # not for --help

    said = given()
    base = EtcdSpec()
    if "endpoints" not in said or "file" in said:
        base = _of_file(said)
    endpoints = (
        tuple(_checked("--endpoints", text) for text in _listed(said["endpoints"])) if "endpoints" in said else ()
    )
    files = {
        name: str(Path(said[o]).absolute())
        for name, o in (("ca", "cacert"), ("cert", "cert"), ("key", "key"))
        if o in said
    }
    tls = base.tls
    if files:
        old = tls or TlsSpec()
        tls = TlsSpec(
            ca=files.get("ca", old.ca), cert=files.get("cert", old.cert), key=files.get("key", old.key),
            server_name=old.server_name,
        )  # fmt: skip
    if tls is not None and (tls.cert is None) != (tls.key is None):
        raise click.UsageError("--cert and --key belong together")
    return EtcdSpec(
        endpoints=endpoints or base.endpoints,
        discovery_srv=None if endpoints else base.discovery_srv,
        discovery_srv_name=None if endpoints else base.discovery_srv_name,
        namespace=_checked("--namespace", said["namespace"]) if "namespace" in said else base.namespace,
        tls=tls,
        auth=_auth(said) or base.auth,
    )


def _listed(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]


def _checked(option: str, text: str) -> str:
    from supervisor.config import values  # noqa: PLC0415 # not for --help

    try:
        return values.namespace(text) if option == "--namespace" else values.endpoint(text)
    except Refused as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _auth(said: dict[str, str]) -> "AuthSpec | None":
    from supervisor.core.spec import AuthSpec  # noqa: PLC0415

    if "user" not in said:
        if "password_file" in said:
            raise click.UsageError("--password-file needs --user")
        return None
    if ":" in said["user"]:
        raise click.BadParameter(
            f"no password on a command line, where everybody can read it: use --password-file or ${PASSWORD_VARIABLE}",
            param_hint="--user",
        )
    if "password_file" in said:
        return AuthSpec(user=said["user"], password_file=str(Path(said["password_file"]).absolute()))
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None:
        raise click.UsageError(f"--user needs its password: name a --password-file, or set ${PASSWORD_VARIABLE}")
    return AuthSpec(user=said["user"], password_file=in_memory("password", password.encode()))


def in_memory(name: str, content: bytes) -> str:
    """The path of a file that is in this process's memory only, for as long as it and its heirs live."""
    fd = os.memfd_create(name, 0)  # not closed on exec: ``elect`` becomes the daemon
    os.fchmod(fd, 0o600)
    os.write(fd, content)
    return f"/proc/{os.getpid()}/fd/{fd}"


def _of_file(said: dict[str, str]) -> "EtcdSpec":
    path = Path(said.get("file", paths.DEFAULT_FILE))
    if "file" not in said and not path.exists():
        raise click.UsageError(f"where is etcd? Name --endpoints, or a --file ({path} does not exist)")
    from supervisor.config.load import load  # noqa: PLC0415 # pydantic, which options do without
    from supervisor.config.problems import ConfigError  # noqa: PLC0415

    try:
        spec = load(path, environ=os.environ, node=None, hostname=socket.gethostname()).spec
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more, see `supervisor check`)" if error.problems[1:] else ""
        raise exits.Failure(f"{error.problems[0]}{more}", exits.BAD_CONFIGURATION) from None
    if not spec.etcd.endpoints and spec.etcd.discovery_srv is None and "endpoints" not in said:
        local = f"{path} names no etcd, its daemon runs one of its own: ask it with `supervisor status`"
        raise exits.Failure(local, exits.USAGE)
    return spec.etcd
