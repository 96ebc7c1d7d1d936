"""Files that a verb makes of its command line, for a daemon of its own: what ``elect`` and ``drill`` share.

Promises: what is made means literally what was said, dollar signs and all. Does not: judge it; the daemon reads it as any file.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor import paths
from supervisor.cli import exits

if TYPE_CHECKING:
    from supervisor.core.spec import EtcdSpec


def etcd_section(etcd: "EtcdSpec") -> dict[str, object]:
    """The section of a file that leads to this etcd."""
    tls, auth = etcd.tls, etcd.auth
    return said(
        {
            "endpoints": list(etcd.endpoints),
            "discovery_srv": etcd.discovery_srv,
            "discovery_srv_name": etcd.discovery_srv_name,
            "namespace": etcd.namespace,
            "tls": said({"ca": tls.ca, "cert": tls.cert, "key": tls.key, "server_name": tls.server_name})
            if tls
            else None,
            "auth": {"user": auth.user, "password_file": auth.password_file} if auth else None,
        }
    )


def said(section: Mapping[str, object]) -> dict[str, object]:
    """Without what was not said."""
    return {key: value for key, value in section.items() if value not in (None, [])}


def literal(whole: Mapping[str, object]) -> dict[str, object]:
    """With every dollar sign doubled: a file's ``${VAR}`` is expanded, a command line was already."""
    made = _literal(dict(whole))
    assert isinstance(made, dict)
    return made


def _literal(part: object) -> object:
    if isinstance(part, str):
        return part.replace("$", "$$")
    if isinstance(part, dict):
        return {key: _literal(value) for key, value in part.items()}
    return [_literal(item) for item in part] if isinstance(part, list) else part


def private_directory(verb: str) -> Path:
    """For socket and state of one invocation of a verb."""
    without = {name: value for name, value in os.environ.items() if name != "SUPERVISOR_SOCKET"}
    try:
        base = paths.control_socket(without, os.geteuid()).parent / verb
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=base, prefix=""))
    except (paths.NoPlaceError, OSError) as error:
        raise exits.Failure(f"no place for a control socket: {error}", exits.NOT_PERMITTED) from None
