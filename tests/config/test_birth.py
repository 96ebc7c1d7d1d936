"""What a child is born with, as the file says it."""

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.config import birth_values
from supervisor.config.problems import Refused
from supervisor.core.birth import Capabilities, CgroupSpec, IoClass, IoPriority, SocketKind
from supervisor.core.capabilities import NAMES
from supervisor.core.names import ProcessName
from supervisor.core.spec import Need, ProcessSpec
from tests.config.marked import load_text, problems_of


def loaded(tmp_path: Path, keys: str) -> ProcessSpec:
    """An always process with these keys."""
    text = "node: a\nprocesses:\n  api:\n    command: api\n" + textwrap.indent(keys, "    ")
    return load_text(tmp_path, text).spec.processes[ProcessName("api")]


def refused(tmp_path: Path, keys: str) -> str:
    """The one problem with these keys."""
    text = "node: a\nprocesses:\n  api:\n    command: api\n" + textwrap.indent(keys, "    ")
    (problem,) = problems_of(tmp_path, text)
    return str(problem).partition("supervisor.yaml:")[2]


def test_one_word_for_what_has_one(tmp_path: Path) -> None:
    assert loaded(tmp_path, "ionice: idle").ionice == IoPriority(io_class=IoClass.IDLE)
    assert loaded(tmp_path, "cpu_affinity: 3").cpu_affinity == (3,)
    assert loaded(tmp_path, "limits: {nofile: 64}").limits == {"nofile": (64, 64)}
    assert loaded(tmp_path, "groups: []").groups == ()
    dropped = loaded(tmp_path, "capabilities: {drop: [sys_admin]}").capabilities
    assert dropped == Capabilities(names=("CAP_SYS_ADMIN",), keep=False)
    assert loaded(tmp_path, "capabilities: {keep: []}").capabilities == Capabilities(names=(), keep=True)
    unlimited = loaded(tmp_path, "cgroup: {memory: unlimited, best_effort: on}").cgroup
    assert unlimited == CgroupSpec(memory_bytes=-1, best_effort=True)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("nice: 20", "nice: 20 is out of range; write a number from -20 to 19"),
        ("nice: high", "nice: 'high' is not a whole number"),
        ("oom_score_adj: -1001", "write a number from -1000 to 1000"),
        ("cpu_affinity: 3-1", "cpu_affinity: 3-1 ends before it begins; write 1-3"),
        ("cpu_affinity: all", 'write numbers and ranges: "0-3,6"'),
        ("cpu_affinity: 0-99999", "Linux knows no CPU above 8191"),
        ("scheduling: fifo", "'fifo' is not one of other, batch, idle"),
        ("ionice: {class: idle, level: 3}", "idle has no level"),
        ("ionice: {level: 3}", "write {class: best-effort, level: 3}, or idle"),
        ("ionice: {class: beste-effort, level: 3}", "did you mean 'best-effort'?"),
        ("ionice: {class: realtime, level: 8}", "write a number from 0 to 7"),
        ("limits: {nofile: '10:5'}", "the soft limit is above the hard one; write 5:10"),
        ("limits: {nofile: 'unlimited:5'}", "the soft limit is above the hard one"),
        ("capabilities: {keep: [net_bind_servce]}", "did you mean 'CAP_NET_BIND_SERVICE'?"),
        ("capabilities: {keep: [chown], drop: [kill]}", "keep one: what is not kept is dropped"),
        ("capabilities: {}", "write keep: [...] or drop: [...]"),
        ("capabilities:", "write keep: [...] or drop: [...]"),
        ("cgroup: {memory: 512}", "512 says no unit; write 512MB"),
        ("cgroup: {memory: 1kB}", "less than one page"),
        ("cgroup: {cpu: 2}", "write a percentage: 50% is half a CPU, 200% is two"),
        ("cgroup: {cpu: 0%}", "0% is out of range"),
        ("cgroup: {cpu_weight: 0}", "write a number from 1 to 10000"),
        ("cgroup: {best_effort: on}", "cgroup: no limit is given"),
        ("cgroup: {memory: 1MB, memory_high: 2MB}", "'memory_high' is above 'memory'"),
        ("groups: ['a:b']", "write one group"),
        ("pass_environment: [NOTIFY_SOCKET]", "NOTIFY_SOCKET is meant for the supervisor alone"),
        ("pass_environment: [SUPERVISOR_TERM]", "set by the supervisor for each of its processes"),
        ("sockets: {http: 'tcp://localhost:80'}", "'localhost' is a name, not an address"),
        ("sockets: {http: 'tcp://0.0.0.0'}", "has no port; write tcp://0.0.0.0:8080"),
        ("sockets: {http: '0.0.0.0:80'}", "write tcp://0.0.0.0:8080, tcp://[::]:8080 or unix:///run/x.sock"),
        ("sockets: {http: 'unix://run/x'}", "three slashes"),
        ("sockets: {'a:b': 'tcp://0.0.0.0:80'}", "cannot be a socket's name"),
        ("sockets: {http: {backlog: 5}}", "'listen' is missing"),
        ("sockets: {http: {listen: 'unix:///x', mode: 9}}", "three octal digits"),
        ("sockets: {a: 'tcp://0.0.0.0:80', b: 'tcp://0.0.0.0:80'}", "'b' listens where"),
        ("private_tmp: on\ndirectory: /tmp/x", "private_tmp puts an empty /tmp before the directory '/tmp/x'"),
        ("instances: 0", "instances: 0 is out of range; write a number from 1 to 1000"),
        ("instances: many", "instances: 'many' is not a whole number"),
    ],
)
def test_refused_with_a_remedy(tmp_path: Path, keys: str, words: str) -> None:
    assert words in refused(tmp_path, keys)


def test_two_of_one_election_may_listen_on_one_address_when_they_never_run_together(tmp_path: Path) -> None:
    text = """
node: a
elections:
  one:
    leader: {processes: {work: {command: work, sockets: {http: "tcp://0.0.0.0:80"}}}}
    follower: {processes: {standby: {command: standby, sockets: {http: "tcp://0.0.0.0:80"}}}}
"""
    assert load_text(tmp_path, text).spec.elections
    both = text + "  two: {leader: {processes: {other: {command: other, sockets: {http: 'tcp://0.0.0.0:80'}}}}}\n"
    (problem,) = problems_of(tmp_path, both)
    assert "sockets: 'http' listens where the socket at" in str(problem)
    assert "or set reuse_port: on for both" in str(problem)


# --- instances -------------------------------------------------------------------------------------------------------

INSTANCES = """
node: a
processes:
  api:
    command: [api, --number, "{instance}", plain]
    instances: 3
    directory: /srv/{instance}
    environment: {PORT: "808{instance}", "{instance}": key}
    environment_files: ["-/etc/api.{instance}"]
    cpu_affinity: "{instance}"
    log: {file: "/var/log/api.{instance}.log"}
    ready: {http: "http://127.0.0.1:808{instance}/ready"}
    health: {exec: [look, "{instance}"]}
    sockets: {http: "tcp://127.0.0.1:808{instance}"}
    needs: [db]
  db: {command: "db {instance}"}
  web: {command: web, needs: [api, db]}
"""


def test_one_declaration_stands_for_several_processes(tmp_path: Path) -> None:
    processes = load_text(tmp_path, INSTANCES).spec.processes
    assert list(processes) == ["api-1", "api-2", "api-3", "db", "web"]
    two = processes[ProcessName("api-2")]
    assert two.id.name == "api-2"
    assert two.command == ("api", "--number", "2", "plain")
    assert two.directory == "/srv/2"
    assert two.environment == {"PORT": "8082", "{instance}": "key"}
    assert two.environment_files == ("-/etc/api.2",)
    assert two.cpu_affinity == (2,)
    assert two.log.file == "/var/log/api.2.log"
    assert two.ready is not None
    assert two.health is not None
    assert (two.ready.url, two.health.command) == ("http://127.0.0.1:8082/ready", ("look", "2"))
    assert two.sockets["http"].kind is SocketKind.TCP
    assert two.sockets["http"].port == 8082
    assert list(processes[ProcessName("web")].needs) == ["api-1", "api-2", "api-3", "db"]
    asked = load_text(
        tmp_path, INSTANCES.replace("needs: [api, db]", "needs: {api: healthy, db: ready}")
    ).spec.processes
    needs = {**dict.fromkeys(["api-1", "api-2", "api-3"], Need.HEALTHY), "db": Need.READY}
    assert asked[ProcessName("web")].needs == needs
    assert processes[ProcessName("db")].command == ("db", "{instance}"), "of one process it is a text like any other"


def test_a_changed_number_changes_the_difference_only(tmp_path: Path) -> None:
    before = load_text(tmp_path, INSTANCES).spec.processes
    after = load_text(tmp_path, INSTANCES.replace("instances: 3", "instances: 4")).spec.processes
    assert set(after) - set(before) == {"api-4"}
    assert all(after[name] == before[name] for name in before if name != "web")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'log: {file: "/var/log/api.{instance}.log"}',
            "log: {file: /var/log/api.log}",
            "the instances of a process write to '/var/log/api.log'; write {instance} where their names are to differ",
        ),
        (
            '"tcp://127.0.0.1:808{instance}"}',
            '"tcp://127.0.0.1:8080"}',
            "'http' listens where another instance of it does; give it {instance} in its address, or set reuse_port",
        ),
        ("  db:", "  api-2: {command: two}\n  db:", "'api-2' is declared, and the instances of 'api' make one of that"),
        ("instances: 3", "instances: 1001", "write a number from 1 to 1000"),
    ],
)
def test_instances_that_clash(tmp_path: Path, old: str, new: str, words: str) -> None:
    (problem,) = problems_of(tmp_path, INSTANCES.replace(old, new))
    assert words in str(problem)


def test_instances_in_a_role_and_a_circle_through_them(tmp_path: Path) -> None:
    text = """
node: a
elections:
  one:
    leader:
      processes:
        api: {command: "api {instance}", instances: 2, needs: [web]}
        web: {command: web, needs: [api]}
"""
    (problem, *_) = problems_of(tmp_path, text)  # one for each instance
    assert "needs go in a circle: web -> api-2 -> web" in str(problem)


def test_more_instances_than_a_file_may_have(tmp_path: Path) -> None:
    many = "".join(f"  p{n}: {{command: p, instances: 1000}}\n" for n in range(11))
    assert "more than 10000 processes" in str(problems_of(tmp_path, f"node: a\nprocesses:\n{many}")[0])


# --- whatever is written ---------------------------------------------------------------------------------------------

PARSERS = (
    birth_values.nice,
    birth_values.oom_score_adj,
    birth_values.cpus,
    birth_values.limit_pair,
    birth_values.capability,
    birth_values.group,
    birth_values.passed_variable,
    birth_values.memory,
    birth_values.swap,
    birth_values.cpu_percent,
    birth_values.weight,
    birth_values.pids,
    birth_values.socket_name,
    birth_values.socket_address,
    birth_values.socket_mode,
    birth_values.instances,
)
LIKELY = st.text(alphabet="0123456789-,:./%[]abcKMiBtcpunix ", max_size=24)


@given(st.sampled_from(PARSERS), LIKELY | st.text(max_size=40))
def test_any_text_is_a_value_or_a_refusal(parse, text: str) -> None:  # type: ignore[no-untyped-def] # they differ
    try:
        parse(text)
    except Refused as error:
        found = error
    else:
        return
    assert found.message
    assert found.remedy


@given(st.sets(st.integers(0, birth_values.MAX_CPUS - 1), min_size=1, max_size=50))
def test_a_list_of_cpus_is_what_it_says(numbers: set[int]) -> None:
    assert birth_values.cpus(",".join(map(str, numbers))) == tuple(sorted(numbers))
    low, high = min(numbers), max(numbers)
    assert birth_values.cpus(f"{low}-{high}") == tuple(range(low, high + 1))


@given(st.sampled_from(NAMES), st.booleans(), st.booleans())
def test_a_capability_by_any_spelling(name: str, lower: bool, bare: bool) -> None:  # drawn
    word = name.removeprefix("CAP_") if bare else name
    assert birth_values.capability(word.lower() if lower else word) == name


@given(st.text(max_size=200), st.text(max_size=20))
def test_any_text_with_instances_loads_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, keys: str, n: str
) -> None:
    from supervisor.config.load import load
    from supervisor.config.problems import ConfigError

    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(f"node: a\nprocesses:\n  p:\n    instances: {n}\n    command: x {{instance}}\n    {keys}", "utf-8")
    try:
        load(file, environ={}, hostname="a")
    except ConfigError as error:
        found = error.problems
    else:
        return
    assert found
