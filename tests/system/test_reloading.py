"""Any file to any other, with real daemons on a real etcd: what runs is what a fresh start runs, and what is equal is left alone.

The pairs come from the strategy of ``tests/core/test_reloading.py``, by a seed. One daemon is reloaded from file to file; for
each it is compared with the file itself: processes with what they were born with (``/proc``), roles, and, against the plan that
was shown, pids, tokens and log files. Fresh daemons are started for a few, to see that they come to the same.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from supervisor.core.spec import ProcessKind, ProcessSpec, Spec
from tests.core.files import Json, contents, spec_of
from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, Node, until

pytestmark = [pytest.mark.system, pytest.mark.etcd, pytest.mark.timeout(240)]

SEED, FILES, FRESH = 20261124, 24, 4


def drawn(count: int, endpoint: str, namespace: str, logs: str) -> list[Json]:
    """So many files, always the same."""
    found: list[Json] = []

    @seed(SEED)
    @settings(
        max_examples=count,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(contents(endpoint=endpoint, namespace=namespace, logs=logs))
    def draw(content: Json) -> None:
        found.append(content)

    draw()
    return found


@dataclass(frozen=True)
class Seen:
    """What runs, as far as the file alone decides it."""

    processes: dict[str, tuple[str, frozenset[str]]]
    """The state of each, and what of its environment is the file's."""
    roles: dict[str, str]
    pids: dict[str, int]
    tokens: dict[str, int]
    restarts: dict[str, int]

    def same(self, other: "Seen") -> bool:
        return (self.processes, self.roles) == (other.processes, other.roles)


def look(node: Node, spec: Spec) -> Seen:
    status = node.status()
    specs = {str(pid): p for pid, p in spec.process_specs().items()}
    shown = {p["name"]: p for p in status["processes"] if "@" not in p["name"]}
    return Seen(
        processes={
            name: (p["phase"], _born_with(p["pid"], specs[name]) if p["pid"] is not None else frozenset())
            for name, p in shown.items()
            if name in specs
        },
        roles={e["name"]: e["role"] for e in status["elections"]},
        pids={name: p["pid"] for name, p in shown.items() if p["pid"] is not None},
        tokens={e["name"]: e["token"] for e in status["elections"] if e["token"] is not None},
        restarts={name: p["restarts"] for name, p in shown.items()},
    )


def _born_with(pid: int, spec: ProcessSpec) -> frozenset[str]:
    """The command and its environment, without what tells of the term."""
    process = Path(f"/proc/{pid}")
    environment = (process / "environ").read_bytes().decode().split("\0")
    names = {
        *spec.environment,
        "SUPERVISOR_NODE",
        "SUPERVISOR_ELECTION",
        "SUPERVISOR_ROLE",
        "SUPERVISOR_PROCESS",
        "A",
        "B",
    }
    kept = {word for word in environment if word.partition("=")[0] in names}
    nice = (process / "stat").read_text().rpartition(")")[2].split()[16]
    umask = next(line for line in (process / "status").read_text().splitlines() if line.startswith("Umask"))
    return frozenset({*kept, (process / "cmdline").read_bytes().decode(), f"nice {nice}", umask})


def expected(spec: Spec) -> set[str]:
    """The services that a node which leads everything runs."""
    led = {str(p.id): p for e in spec.elections.values() for p in e.leader.values()}
    always = {str(p.id): p for p in spec.processes.values()}
    return {name for name, p in (led | always).items() if p.kind is ProcessKind.SERVICE}


def save(node: Node, content: Json) -> None:
    beside = node.file.with_name("beside")
    beside.write_text(json.dumps(content))
    beside.replace(node.file)


def planned(node: Node, content: Json) -> dict[str, Any]:
    """The plan of a file that is not in place yet."""
    draft = node.home / "draft.yaml"
    draft.write_text(json.dumps(content))
    done = node.run("plan", str(draft), "--json")
    assert done.returncode in (0, 2), done.stderr
    found = json.loads(done.stdout)
    assert (done.returncode == 0) == (not found["changes"])
    assert isinstance(found, dict)
    return found


def reload(node: Node, content: Json) -> None:
    """Whoever is first, the file watch or the command: it is waited for until all has converged."""
    save(node, content)
    done = node.run("reload", "--timeout", "25s")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    directory = tmp_path / "logs"
    directory.mkdir()
    return directory


def test_from_file_to_file(node: Make, etcd: EtcdServer, namespace: str, tmp_path: Path, logs: Path) -> None:
    files = drawn(FILES, etcd.endpoint, namespace, str(logs / "l"))
    assert len(files) > FILES // 2
    one = node("one", json.dumps(files[0]))
    until(lambda: one.run("status").returncode == 0, "the first file in force and well", 30)
    before, counts = look(one, spec_of(files[0])), dict.fromkeys(("keep", "restart", "live"), 0)
    fresh = 0
    for number, (was, content) in enumerate(pairwise(files)):
        plan, sizes = planned(one, content), _sizes(logs)
        reload(one, content)
        spec = spec_of(content)
        after = look(one, spec)
        assert {name for name, (phase, _) in after.processes.items() if phase == "running"} == expected(spec)
        assert all(role == "leader" for role in after.roles.values())
        _compare(plan, before, after, sizes, _sizes(logs), spec_of(was), counts)
        if number % (FILES // FRESH) == 0:
            other = one_of(node, f"fresh{number}", content, namespace, fresh := fresh + 1)
            assert other.same(after), f"a fresh start with file {number + 1} is not what the reload came to"
        before = after
    assert all(counts.values()), f"nothing of the kind was met: {counts}"


def one_of(node: Make, name: str, content: Json, namespace: str, number: int) -> Seen:
    """A daemon that begins with this file, in a namespace of its own; it writes to the same logs, and is ended at once."""
    text = json.dumps(content).replace(namespace, f"{namespace}-{number}")
    # Of the same name, since that is part of what children are told.
    other = node(name, text, named=False, options=["--node", "one"])
    try:
        until(lambda: other.run("status").returncode == 0, "a fresh start", 30)
        return look(other, spec_of(content))
    finally:
        other.end()


def _sizes(logs: Path) -> dict[str, tuple[int, int]]:
    return {file.name: (file.stat().st_ino, file.stat().st_size) for file in logs.iterdir()}


def _compare(
    plan: dict[str, Any],
    before: Seen,
    after: Seen,
    sizes_before: dict[str, tuple[int, int]],
    sizes_after: dict[str, tuple[int, int]],
    was: Spec,
    counts: dict[str, int],
) -> None:
    """What the plan said is what happened."""
    for name in plan["kept"]["processes"]:
        if name in before.pids:
            counts["keep"] += 1
            assert after.pids.get(name) == before.pids[name], f"{name} was to be kept"
            assert after.restarts[name] == before.restarts[name]
            log = next(str(p.log.file) for pid, p in was.process_specs().items() if str(pid) == name)
            file = Path(log).name
            assert sizes_after[file] == sizes_before[file], f"the log of {name} was written to, or is another file"
    for name in plan["kept"]["elections"]:
        assert after.tokens.get(name) == before.tokens.get(name), f"{name} was to be kept"
    for change in plan["changes"]:
        name, cost = change["name"], change["cost"]
        counts[cost] = counts.get(cost, 0) + 1
        if change["kind"] == "process" and name in before.pids:
            same = after.pids.get(name) == before.pids[name]
            assert same == (not change["ends"]), f"{name} was to {cost}"
        if change["kind"] == "election" and name in before.tokens:
            assert (after.tokens.get(name) == before.tokens[name]) == (not change["ends"]), f"{name} was to {cost}"


def test_a_dry_run_prints_the_plan_and_a_reload_adopts_it(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: one.run("status").returncode == 0, "a healthy node")
    plan, dry = one.run("plan"), one.run("reload", "--dry-run")
    assert (
        (plan.returncode, plan.stdout, plan.stderr) == (dry.returncode, dry.stdout, dry.stderr) == (0, plan.stdout, "")
    )
    draft = tmp_path / "draft.yaml"
    draft.write_text(text.replace("ttl: 5s", "ttl: 6s"))
    draft.chmod(0o600)
    found = one.run("plan", str(draft))
    assert found.returncode == 2
    assert "ttl: 5s -> 6s" in found.stdout
    assert "nobody else queues" in found.stdout
    draft.write_text(text.replace("ttl: 5s", "ttl: 6"))
    bad = one.run("plan", str(draft))
    assert bad.returncode == 78
    assert bad.stderr.startswith(f"{draft}:4:10: ")
    token = one.election()["token"]
    one.file.write_text(text.replace("ttl: 5s", "ttl: 6s"))
    done = one.run("reload")
    assert done.returncode == 0, done.stderr
    e = one.election()
    assert (e["role"], e["token"] > token) == ("leader", True)


def test_a_plan_changes_nothing_and_is_not_what_the_file_watch_has_seen(node: Make, text: str) -> None:
    one = node("one", text)
    until(lambda: one.run("status").returncode == 0, "a healthy node")
    generation = one.status()["config"]["generation"]
    for _ in range(3):
        assert one.run("plan").returncode == 0
    assert one.status()["config"]["generation"] == generation
    one.file.write_text(text.replace("timeout: 2s", "timeout: 3s"))
    one.run("plan")  # looks at what the watch may not have seen yet
    until(lambda: one.status()["config"]["generation"] == generation + 1, "the edit in force")
