"""What the keys of one probe mean together.

Promises: as ``relations``, of which it is a part: works on the tree, passes over what is malformed. Does not: look at
files or programs.
"""

from supervisor.config.problems import Problems
from supervisor.config.tree import Entry, Node, child, entries, text

KINDS = {
    "ready": ("exec", "http", "tcp", "grpc", "notify", "log"),
    "health": ("exec", "http", "tcp", "grpc", "watchdog"),
}
"""The ways to look, one of which a probe names."""
EVERY_KIND = tuple(dict.fromkeys((*KINDS["ready"], *KINDS["health"])))
_OF_A_LOOK = ("initial_delay", "every", "timeout")
MEANINGLESS = {
    "notify": (*_OF_A_LOOK, "failures", "successes"),
    "log": (*_OF_A_LOOK, "failures", "successes"),
    "watchdog": _OF_A_LOOK,
}
"""What a probe has no use for to which the process tells by itself."""


def check(purpose: str, probe: Entry, problems: Problems) -> None:
    """Report what is wrong between the keys of a probe, ``purpose`` being ``ready`` or ``health``."""
    given = [key for key in entries(probe.node) if key in KINDS[purpose]]
    if not any(key in EVERY_KIND for key in entries(probe.node)):
        remedy = f"add one of {', '.join(KINDS[purpose])}"
        problems.add(probe.key, f"{purpose}: the probe does not say how to look", remedy)
    elif len(given) > 1:
        where = entries(probe.node)[given[1]].key
        problems.add(where, f"{purpose}: the probe has both {given[0]} and {given[1]}", "keep exactly one of them")
    elif given:
        _check_meaning(purpose, given[0], probe.node, problems)
    _check_http(purpose, child(probe.node, "http"), problems)
    _check_grpc(purpose, child(probe.node, "grpc"), problems)


def _check_meaning(purpose: str, kind: str, probe: Node, problems: Problems) -> None:
    for key in MEANINGLESS.get(kind, ()):
        if key in entries(probe):
            message = f"{purpose}: {key!r} means nothing beside {kind!r}: the process tells by itself"
            problems.add(entries(probe)[key].key, message, "remove it")


def _check_http(purpose: str, http: Node | None, problems: Problems) -> None:
    tls = entries(http).get("tls")
    url = text(child(http, "url"))
    if tls is not None and url is not None and url.lower().startswith("http:"):
        message = f"{purpose}: 'tls' is given, but the URL is http"
        problems.add(tls.key, message, "write https:// in the URL, or remove it")
    if (text(child(http, "method")) or "").upper() == "HEAD" and "body" in entries(http):
        problems.add(entries(http)["body"].key, f"{purpose}: the answer to HEAD has no body", "write 'method: GET'")
    if tls is not None:
        _check_tls(purpose, tls.node, problems)


def _check_grpc(purpose: str, grpc: Node | None, problems: Problems) -> None:
    tls = entries(grpc).get("tls")
    if tls is None:
        return
    _check_tls(purpose, tls.node, problems)
    if "insecure" in entries(tls.node):
        message = f"{purpose}: gRPC verifies every certificate"
        where = entries(tls.node)["insecure"].key
        problems.add(where, message, "name the server's own certificate as 'ca', or leave 'tls' out")


def _check_tls(purpose: str, tls: Node, problems: Problems) -> None:
    given = entries(tls)
    for one, other in (("cert", "key"), ("key", "cert")):
        if one in given and other not in given:
            message = f"{purpose}: '{one}' without '{other}'"
            problems.add(given[one].key, message, f"add '{other}:': a client certificate needs both")
    if "insecure" in given and "ca" in given:
        remedy = "keep one: 'insecure' takes any certificate"
        problems.add(given["insecure"].key, f"{purpose}: 'insecure' beside 'ca'", remedy)
