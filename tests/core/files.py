"""Valid files for tests of reloads: a strategy for their content, and what a content asks for.

Promises: whatever is drawn loads; names come from a small pool, so that two files have much in common; every key that a
reload may meet live, by a restart or by a new campaign is among them. The programs named exist and run until they are
stopped, but for tasks, which end at once: the same files are put before a real daemon (``tests/system``).
"""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from supervisor.config.load import load
from supervisor.core.spec import Spec

Json = dict[str, Any]
SCRIPT = 'echo "$SUPERVISOR_PROCESS up"; exec sleep {seconds}'
LED_BY_US, LED_BY_OTHERS = ("e1", "e2"), "led"


def _command(seconds: int) -> list[str]:
    return ["/bin/sh", "-c", SCRIPT.format(seconds=seconds)]


def _some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Any of these keys, most of the time few of them."""
    return st.fixed_dictionaries({}, optional=keys)


_PROBE = st.sampled_from([{"exec": ["true"], "every": "100ms"}, {"exec": ["true"], "every": "200ms"}])
_COMMON: dict[str, st.SearchStrategy[Any]] = {
    "environment": st.sampled_from([{"A": "1"}, {"A": "2", "B": "x"}]),
    "umask": st.sampled_from(["022", "027"]),
    "nice": st.sampled_from([0, 1]),
    "ready": _PROBE,
    "health": _PROBE,
    "restart": st.sampled_from([{"limit": "unlimited"}, {"backoff": "50ms..1s"}]),
    "stop": st.sampled_from([{"timeout": "1s"}, {"signal": "SIGINT", "timeout": "2s"}, {"before": ["true"]}]),
}


@st.composite
def _process(draw: st.DrawFn, log: str, others: tuple[str, ...]) -> Json:
    found: Json = {"command": draw(st.sampled_from([_command(100_000), _command(200_000)])), **draw(_some(**_COMMON))}
    # Always with a file: that is where a test sees what was started, and that the log goes on.
    found["log"] = {"file": log, **draw(_some(keep=st.sampled_from([3, 5]), timestamps=st.booleans()))}
    leans = draw(st.booleans())
    if others and leans:
        found["needs"] = [draw(st.sampled_from(others))]
    return found


@st.composite
def _task(draw: st.DrawFn, log: str) -> Json:
    environment = draw(_some(environment=st.sampled_from([{"A": "1"}, {"A": "2"}])))
    return {
        "command": ["/bin/sh", "-c", 'echo "$SUPERVISOR_PROCESS up"'],
        "kind": "task",
        "log": {"file": log},
    } | environment


@st.composite
def _processes(draw: st.DrawFn, logs: str, names: tuple[str, ...], *, task: bool = True) -> Json:
    found: Json = {}
    for name in names:
        if draw(st.integers(0, 3)):  # most are in most files
            found[name] = draw(_process(f"{logs}-{name}.log", tuple(found)))
    if task and draw(st.integers(0, 3)) == 0:
        found["job"] = draw(_task(f"{logs}-job.log"))
    return found


_ELECTION: dict[str, st.SearchStrategy[Any]] = {
    "ttl": st.sampled_from(["5s", "6s"]),
    "lost_grace": st.sampled_from(["500ms", "1s"]),
    "proclaim": st.sampled_from([{"every": "5s"}, {"value": {"address": "x"}}]),
    "reload": st.sampled_from(["keep", "keep", "resign"]),
    "takeover_guard": st.booleans(),
    "on_giveup": st.sampled_from(["resign", "stay"]),
    "cooldown": st.just("1s..2s"),
}
_HOOKS = _some(elected=st.just(["true"]), demoted=st.sampled_from([["true"], ["/bin/true"]]))


@st.composite
def _election(draw: st.DrawFn, logs: str, name: str) -> Json:
    found: Json = draw(_some(**_ELECTION))
    leader = {"processes": draw(_processes(f"{logs}-{name}", ("a", "b")))}
    if hooks := draw(_HOOKS):
        leader["hooks"] = hooks
    found["leader"] = leader
    found["follower"] = {"processes": draw(_processes(f"{logs}-{name}", ("s",), task=False))}
    return found


@st.composite
def contents(
    draw: st.DrawFn, *, endpoint: str = "http://127.0.0.1:2379", namespace: str = "/s", logs: str = "/tmp/log"
) -> Json:
    """The content of one file, as JSON would have it, which is YAML too."""
    elections = {name: draw(_election(logs, name)) for name in (*LED_BY_US, LED_BY_OTHERS) if draw(st.integers(0, 4))}
    other = draw(st.integers(0, 9)) == 0
    found: Json = {"processes": draw(_processes(f"{logs}-", ("x", "y", "z")))}
    if not elections and not found["processes"]:
        found["processes"]["x"] = draw(_process(f"{logs}--x.log", ()))
    if elections:
        found["elections"] = elections
        found["etcd"] = {"endpoints": [endpoint], "namespace": f"{namespace}2" if other else namespace}
    return found


def spec_of(content: Json) -> Spec:
    """What it asks of the node ``one``."""
    text = json.dumps(content).encode()
    return load(Path("/f.yaml"), environ={}, node="one", hostname="h", content=text).spec
