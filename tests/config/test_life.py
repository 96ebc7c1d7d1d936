"""The keys that govern a process's life and a node's candidacy: what they become, and what is refused where."""

from pathlib import Path

import pytest

from supervisor.core.diff import Cost, diff
from supervisor.core.names import ElectionName, ProcessName
from supervisor.core.spec import (
    CampaignWhen,
    ElectionSpec,
    Need,
    ProcessKind,
    RestartPolicy,
    RestartSpec,
    StopSpec,
    StopTo,
)
from tests.config.marked import check_marked, load_text

FILE = """\
elections:
  billing:
    cooldown: 5s..2m
    campaign_when: healthy
    leader:
      processes:
        migrate: {kind: task, timeout: 5m, command: migrate}
        cache: {command: cache, restart: {policy: on-failure}}
        db: {command: db, health: {tcp: "localhost:1"}, restart: {limit: unlimited, reset_after: 30s}}
        api:
          command: api
          needs: {db: healthy, migrate: completed, cache: ready}
          stop: {signals: [INT 5s, SIGTERM 10s, quit 1s], to: all, before: [drain, --now], before_timeout: 3s}
"""


def test_every_key_arrives_in_the_spec(tmp_path: Path) -> None:
    billing = load_text(tmp_path, FILE).spec.elections[ElectionName("billing")]
    assert (billing.cooldown_min_seconds, billing.cooldown_max_seconds) == (5.0, 120.0)
    assert billing.campaign_when is CampaignWhen.HEALTHY
    by_name = {str(name): p for name, p in billing.leader.items()}
    migrate, api = by_name["migrate"], by_name["api"]
    assert (migrate.kind, migrate.timeout_seconds) == (ProcessKind.TASK, 300.0)
    assert migrate.restart.policy is RestartPolicy.ON_FAILURE, "a task's default"
    assert by_name["db"].restart == RestartSpec(limit=None, reset_after_seconds=30.0)
    names = {"db": Need.HEALTHY, "migrate": Need.COMPLETED, "cache": Need.READY}
    assert api.needs == {ProcessName(name): need for name, need in names.items()}
    assert api.stop == StopSpec(
        signal="SIGINT",
        timeout_seconds=16.0,
        then=(("SIGTERM", 5.0), ("SIGQUIT", 15.0)),
        to=StopTo.ALL,
        before=("drain", "--now"),
        before_timeout_seconds=3.0,
    )


def test_what_a_silent_file_means(tmp_path: Path) -> None:
    e = load_text(tmp_path, "elections: {a: {leader: {processes: {p: {command: p}}}}}").spec.elections[
        ElectionName("a")
    ]
    default = ElectionSpec(name=e.name)
    assert (e.campaign_when, e.cooldown_min_seconds) == (CampaignWhen.ALWAYS, default.cooldown_min_seconds)
    assert e.leader[ProcessName("p")].stop == StopSpec()
    assert e.leader[ProcessName("p")].kind is ProcessKind.SERVICE


@pytest.mark.parametrize(
    ("old", "new", "cost"),
    [
        ("kind: task, timeout: 5m, ", "", Cost.RESTART),
        ("timeout: 5m", "timeout: 6m", Cost.LIVE),
        ("command: migrate}", "command: migrate --twice}", Cost.RESTART),
        ("db: healthy", "db: ready", Cost.LIVE),
        ("INT 5s, ", "", Cost.LIVE),
        ("reset_after: 30s", "reset_after: 31s", Cost.LIVE),
        ("cooldown: 5s..2m", "cooldown: 5s", Cost.LIVE),
        ("campaign_when: healthy", "campaign_when: always", Cost.LIVE),
    ],
)
def test_what_a_change_costs(tmp_path: Path, old: str, new: str, cost: Cost) -> None:
    text = FILE.replace("migrate: completed, ", "")
    before = load_text(tmp_path, text).spec
    (change,) = diff(before, load_text(tmp_path, text.replace(old, new)).spec)
    assert change.cost is cost


def of(process: str, other: str = "command: x") -> str:
    return f"processes:\n  p: {{{process}}}\n  other: {{{other}}}\n"


REFUSED = {
    "kind": (of("command: x, kind: ¤taks"), "'taks' is not one of service, task; did you mean 'task'?"),
    "a task's probe": (of("command: x, kind: task, ¤ready: {tcp: 'a:1'}"), "a task is not ready, it completes"),
    "a task's health": (of("command: x, kind: task, ¤health: {tcp: 'a:1'}"), "a task has no health"),
    "a task for ever": (
        of("command: x, kind: task, restart: {policy: ¤always}"),
        "never completes; write on-failure or never",
    ),
    "a service's timeout": (of("command: x, ¤timeout: 5s"), "'timeout' of a service"),
    "no condition": (
        of("command: x, needs: {other: ¤healty}"),
        "'healty' is not one of ready, healthy, completed; did you mean",
    ),
    "an empty condition": (of("command: x, needs: {other: ¤}"), "needs: nothing is not one of"),
    "nobody": (
        of("command: x, needs: {¤othr: ready}"),
        "there is no process 'othr' in this role; did you mean 'other'?",
    ),
    "a name that is none": (of("command: x, needs: {¤'a b': ready}"), "'a b' cannot be a name"),
    "not a name": (
        of("command: x, needs: [¤{other: ready}]"),
        "needs: more than a name stands where a name is expected",
    ),
    "neither list nor mapping": (
        of("command: x, needs: ¤other"),
        "'other' stands where a list is expected; write [other], or",
    ),
    "a service completed": (of("command: x, needs: {other: ¤completed}"), "it never completes: it is a service"),
    "a healthy task": (
        of("command: x, needs: {other: ¤healthy}", "command: x, kind: task"),
        "a task has no health; write completed",
    ),
    "a cycle of conditions": (
        of("command: x, needs: {¤other: healthy}", "command: x, needs: {¤p: ready}").replace("¤other", "other"),
        "needs go in a circle: p -> other -> p",
    ),
    "itself": (of("command: x, needs: {¤p: ready}"), "needs go in a circle: p -> p"),
    "two ways to stop": (of("command: x, stop: {signals: [INT 1s], ¤timeout: 3s}"), "'timeout' beside 'signals'"),
    "no signals": (of("command: x, stop: {signals: ¤[]}"), "signals: there are none; write [SIGINT 5s, SIGTERM 10s]"),
    "a signal without time": (
        of("command: x, stop: {signals: [¤INT]}"),
        "does not say for how long; write the time it has: SIGINT 5s",
    ),
    "a signal that is none": (of("command: x, stop: {signals: [¤TREM 5s]}"), "is not a signal; write SIGTERM"),
    "a signal for no time": (of("command: x, stop: {signals: [¤TERM 0s]}"), "leaves no time"),
    "to nobody": (of("command: x, stop: {to: ¤everyone}"), "is not one of main, group, all"),
    "a timeout of nothing": (of("command: x, stop: {¤before_timeout: 3s}"), "'before_timeout' without 'before'"),
    "an empty command": (of("command: x, stop: {before: ¤[]}"), "the command is empty"),
    "a program that is not there": (of("command: x, stop: {before: [¤./drain]}"), "drain' does not exist"),
    "a limit": (of("command: x, restart: {limit: ¤never}"), "write a count and a period: 5 per 1m; or unlimited"),
    "cooldown backwards": ("elections: {a: {cooldown: ¤5m..10s}}", "ends before it begins; write 10s..5m"),
    "no cooldown": ("elections: {a: {cooldown: ¤0s}}", "is no cool-down; write 1s or more"),
    "campaign_when": ("elections: {a: {campaign_when: ¤well}}", "is not one of always, healthy"),
}


@pytest.mark.parametrize(("text", "fragment"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(tmp_path: Path, text: str, fragment: str) -> None:
    check_marked(tmp_path, text, fragment)
