"""What the outside is told, seen as a whole: a page that more than this machine can reach.

Promises: warnings, at the place of the address. Does not: keep a file from being adopted: what is in front of the address is not
in the file.
"""

from supervisor.config.problems import Problem
from supervisor.config.tree import MapNode, child
from supervisor.core.spec import Spec


def warnings(root: MapNode, spec: Spec) -> tuple[Problem, ...]:
    """One, or none."""
    written = child(root, "web", "address")
    if written is None or spec.web is None or is_loopback(spec.web.host):
        return ()
    place = written.place
    message = f"web: whoever reaches {spec.web.host}:{spec.web.port} sees the fleet{' and the logs' if spec.web.logs else ''}, without a password"
    remedy = f"fine on a network where everybody may; else write 127.0.0.1:{spec.web.port}, and put a reverse proxy that asks who calls in front of it"
    return (Problem(file=place.file, line=place.line, column=place.column, message=message, remedy=remedy),)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    name = host.strip("[]").lower()
    return name in ("localhost", "::1") or name.startswith("127.")
