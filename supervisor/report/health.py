"""The answers to health checks: what load balancers, orchestrators and people poll.

``/livez``: the daemon turns and its guardian lives. ``/readyz``: it can do its part: a file is in force, etcd is reached, it is in
every queue it should be in. ``/leader/ELECTION``: 200 on the leader and 503 elsewhere, so that a balancer sends everything there;
with ``?ready``, 503 also until all that the term runs serves. (``/metrics`` is ``metrics``'.)

Promises: pure; text for people in the body. Does not: show commands, values or secrets.
"""

from urllib.parse import unquote

from supervisor.core import leadership
from supervisor.core.names import ElectionName, Instant
from supervisor.core.state import State
from supervisor.report.http import Answer

LATE_SECONDS = 5.0
"""A loop that was so late is not well."""


def answer(path: str, query: str, *, state: State, now: Instant, loop_lag_seconds: float) -> Answer:
    """What is said to one request, but for ``/metrics``."""
    if path == "/livez":
        return _verdict(_dead(state, loop_lag_seconds))
    if path == "/readyz":
        return _verdict(_dead(state, loop_lag_seconds) + leadership.unready(state))
    if path.startswith("/leader/"):
        return _leader(unquote(path.removeprefix("/leader/")), query, state, now)
    if path == "/":
        return Answer(status=200, body=b"/livez /readyz /leader/ELECTION[?ready] /metrics\n")
    return Answer(status=404, body=b"there are /livez, /readyz, /leader/ELECTION and /metrics\n")


def _leader(name: str, query: str, state: State, now: Instant) -> Answer:
    e = state.elections.get(ElectionName(name))
    if e is None:
        return Answer(status=404, body=b"no election has that name\n")
    if not leadership.is_under_way(state, e, now):
        return Answer(status=503, body=b"this node does not lead\n")
    if query == "ready" and e.ready_at is None:
        return Answer(status=503, body=b"this node leads, and does not serve yet\n")
    token = e.term.token if e.term is not None else 0
    return Answer(status=200, body=f"this node leads, token {token}\n".encode())


def _dead(state: State, loop_lag_seconds: float) -> list[str]:
    found = ["the guardian is dead"] if state.guardian_lost else []
    return found + ([f"the event loop is late by {loop_lag_seconds:.1f} s"] if loop_lag_seconds > LATE_SECONDS else [])


def _verdict(reasons: list[str]) -> Answer:
    body = "".join(f"{reason}\n" for reason in reasons) or "ok\n"
    return Answer(status=503 if reasons else 200, body=body.encode(errors="replace"))
