"""Files: what is read, what is included, what is expanded, and what comes of it."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.config.load import listed_nodes, load
from supervisor.config.problems import ConfigError, Problem
from supervisor.config.reading import MAX_FILE_BYTES
from supervisor.core.birth import (
    Capabilities,
    CgroupSpec,
    IoClass,
    IoPriority,
    Scheduling,
    SocketKind,
    SocketSpec,
)
from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role
from supervisor.core.spec import (
    AuthSpec,
    CampaignWay,
    ElectionSpec,
    EtcdSpec,
    GiveUp,
    HttpSpec,
    LogSpec,
    Need,
    ProbeKind,
    ProbeSpec,
    ProbeTls,
    ProcessSpec,
    ProclaimSpec,
    ReloadPolicy,
    RestartPolicy,
    RestartSpec,
    Spec,
    StopSpec,
    TlsSpec,
    UnhealthyAction,
)
from tests.config.marked import check_marked, load_text, unmarked

PROCESS = "processes:\n  p:\n    command: [sleep, inf]\n"
EXAMPLES = Path(__file__).parents[2] / "config" / "examples"

# --- what comes of it ------------------------------------------------------------------------------------------------

EVERYTHING = """\
node: web-1
etcd:
  endpoints: [https://10.0.0.1:2379, "HTTPS://[::1]:2379/"]
  namespace: /teams/a/
  tls: {ca: ca.pem, cert: node.pem, key: node-key.pem, server_name: etcd}
  auth: {user: supervisor, password_file: password}
  campaign: rpc
elections:
  billing:
    ttl: 12s
    lost_grace: 2s
    safety_margin: 1500ms
    campaign_timeout: 1m30s
    proclaim: {every: 5s, value: {address: "http://10.0.0.7:8080"}}
    takeover_guard: off
    on_giveup: stay
    reload: resign
    history: 10
    leader:
      processes:
        api:
          command: [bin/api, --port, 8080, "a b"]
          directory: srv
          environment: {LOG_LEVEL: info, EMPTY: "", PORT: 8080}
          environment_files: [/etc/default/billing, local.env]
          user: billing:www
          umask: "027"
          limits: {nofile: "1024:65536", core: unlimited, as: 2GiB}
          pass_environment: [AWS_REGION, AWS_REGION]
          groups: [video, 44]
          nice: -5
          scheduling: batch
          ionice: {class: best-effort, level: 2}
          oom_score_adj: -500
          cpu_affinity: "0-2,6"
          capabilities: {keep: [net_bind_service, CAP_CHOWN]}
          no_new_privileges: on
          cgroup: {memory: 512MB, memory_high: 450MB, swap: 0, cpu: 150%, cpu_weight: 50, pids: 100, io_weight: 10}
          sockets:
            http: "tcp://0.0.0.0:8080"
            six: {listen: "tcp://[::1]:8081", backlog: 10, reuse_port: on}
            ctl: {listen: "unix:///run/x.sock", mode: "0600", owner: "www:adm"}
          pty: on
          needs: [migrate]
          ready: {exec: bin/api --check, every: 500ms, timeout: 250ms, within: 30s, successes: 2}
          health: {http: "http://127.0.0.1:8080/healthz", every: 2s, failures: 4, on_failure: restart}
          restart: {policy: on-failure, backoff: 200ms..1m, limit: 3 per 10m, expected: [0, 3]}
          stop: {signal: quit, timeout: 0s}
          log: {file: log/api.log, max_size: 64KiB, keep: 0}
        migrate: {command: "migrate --now 'a b'"}
    follower:
      processes: {standby: {command: standby}}
  presence:
processes:
  exporter: {command: exporter, ready: {tcp: "localhost:9100"}, restart: {backoff: 5s}}
"""


def test_every_key_arrives_in_the_spec(tmp_path: Path) -> None:
    for name in ("ca.pem", "node.pem", "node-key.pem", "password"):
        (tmp_path / name).touch()
    program = tmp_path / "srv" / "bin" / "api"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    billing, presence = ElectionName("billing"), ElectionName("presence")
    api = ProcessSpec(
        id=ProcessId(billing, ProcessName("api")),
        role=Role.LEADER,
        command=(str(program), "--port", "8080", "a b"),
        directory=f"{tmp_path}/srv",
        environment={"LOG_LEVEL": "info", "EMPTY": "", "PORT": "8080"},
        environment_files=("/etc/default/billing", f"{tmp_path}/local.env"),
        user="billing:www",
        umask=0o027,
        limits={"nofile": (1024, 65536), "core": (-1, -1), "as": (2**31, 2**31)},
        pass_environment=("AWS_REGION",),
        groups=("video", "44"),
        nice=-5,
        scheduling=Scheduling.BATCH,
        ionice=IoPriority(io_class=IoClass.BEST_EFFORT, level=2),
        oom_score_adj=-500,
        cpu_affinity=(0, 1, 2, 6),
        capabilities=Capabilities(names=("CAP_CHOWN", "CAP_NET_BIND_SERVICE"), keep=True),
        no_new_privileges=True,
        cgroup=CgroupSpec(
            memory_bytes=512_000_000,
            memory_high_bytes=450_000_000,
            swap_bytes=0,
            cpu_percent=150,
            cpu_weight=50,
            pids=100,
            io_weight=10,
        ),
        sockets={
            "http": SocketSpec(kind=SocketKind.TCP, host="0.0.0.0", port=8080),  # what the file says
            "six": SocketSpec(kind=SocketKind.TCP, host="::1", port=8081, backlog=10, reuse_port=True),
            "ctl": SocketSpec(kind=SocketKind.UNIX, path="/run/x.sock", mode=0o600, owner="www:adm"),
        },
        pty=True,
        needs={ProcessName("migrate"): Need.READY},
        ready=ProbeSpec(
            kind=ProbeKind.EXEC,
            command=(str(program), "--check"),
            every_seconds=0.5,
            timeout_seconds=0.25,
            within_seconds=30,
            successes=2,
        ),
        health=ProbeSpec(
            kind=ProbeKind.HTTP,
            url="http://127.0.0.1:8080/healthz",
            every_seconds=2,
            failures=4,
            action=UnhealthyAction.RESTART,
        ),
        restart=RestartSpec(
            policy=RestartPolicy.ON_FAILURE,
            expected_exit_codes=(0, 3),
            backoff_min_seconds=0.2,
            backoff_max_seconds=60,
            limit=3,
            period_seconds=600,
        ),
        stop=StopSpec(signal="SIGQUIT", timeout_seconds=0),
        log=LogSpec(file=f"{tmp_path}/log/api.log", max_size_bytes=65536, keep=0),
    )
    migrate = ProcessSpec(
        id=ProcessId(billing, ProcessName("migrate")), role=Role.LEADER, command=("migrate", "--now", "a b")
    )
    standby = ProcessSpec(id=ProcessId(billing, ProcessName("standby")), role=Role.FOLLOWER, command=("standby",))
    exporter = ProcessSpec(
        id=ProcessId(ElectionName(""), ProcessName("exporter")),
        role=Role.ALWAYS,
        command=("exporter",),
        ready=ProbeSpec(kind=ProbeKind.TCP, address="localhost:9100"),
        restart=RestartSpec(backoff_min_seconds=5, backoff_max_seconds=5),
    )
    expected = Spec(
        node=load_text(tmp_path, EVERYTHING).spec.node,
        etcd=EtcdSpec(
            endpoints=("https://10.0.0.1:2379", "https://[::1]:2379"),
            namespace="/teams/a",
            tls=TlsSpec(
                ca=f"{tmp_path}/ca.pem",
                cert=f"{tmp_path}/node.pem",
                key=f"{tmp_path}/node-key.pem",
                server_name="etcd",
            ),
            auth=AuthSpec(user="supervisor", password_file=f"{tmp_path}/password"),
            campaign=CampaignWay.RPC,
        ),
        elections={
            billing: ElectionSpec(
                name=billing,
                ttl_seconds=12,
                lost_grace_seconds=2,
                safety_margin_seconds=1.5,
                campaign_timeout_seconds=90,
                proclaim=ProclaimSpec(every_seconds=5, value={"address": "http://10.0.0.7:8080"}),
                takeover_guard=False,
                on_giveup=GiveUp.STAY,
                reload=ReloadPolicy.RESIGN,
                history=10,
                leader={api.id.name: api, migrate.id.name: migrate},
                follower={standby.id.name: standby},
            ),
            presence: ElectionSpec(name=presence),
        },
        processes={exporter.id.name: exporter},
    )
    assert load_text(tmp_path, EVERYTHING).spec == expected
    assert expected.node == "web-1"


def test_where_the_file_is_silent_the_spec_speaks(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, "elections: {a: }\netcd:\n")
    assert loaded.spec == Spec(
        node=loaded.spec.node, elections={ElectionName("a"): ElectionSpec(name=ElectionName("a"))}
    )
    assert loaded.spec.etcd.endpoints == ()
    assert loaded.spec.local_etcd is None


def test_texts_of_the_spec_are_plain_texts(tmp_path: Path) -> None:
    spec = load_text(tmp_path, PROCESS + "    user: a\n    environment: {A: b}\nnode: n").spec
    process = spec.processes[ProcessName("p")]
    texts = [spec.node, *process.command, process.user, *process.environment, *process.environment.values()]
    assert {type(text) for text in texts} == {str}


def test_the_node_is_given_else_written_else_the_host(tmp_path: Path) -> None:
    assert load_text(tmp_path, PROCESS, hostname="h").spec.node == "h"
    assert load_text(tmp_path, "node: w\n" + PROCESS, hostname="h").spec.node == "w"
    assert load_text(tmp_path, "node: w\n" + PROCESS, node="g", hostname="h").spec.node == "g"
    assert load_text(tmp_path, "node: ${UNSET}\n" + PROCESS, node="g").spec.node == "g"


@pytest.mark.parametrize(("node", "hostname"), [("a b", "h"), (None, "a b")])
def test_a_node_that_cannot_be_named_is_a_problem(tmp_path: Path, node: str | None, hostname: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, PROCESS, node=node, hostname=hostname)
    (problem,) = caught.value.problems
    assert "'a b' cannot be a name" in problem.message


def test_a_running_daemon_keeps_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, {"main.yaml": PROCESS + "include: [name.yaml]\n", "name.yaml": "# ours\nnode: w\n"})
    assert load(path, environ={}, hostname="h", running_as="w").spec.node == "w"
    assert load(path, environ={}, node="g", hostname="h", running_as="g").spec.node == "g"
    with pytest.raises(ConfigError) as caught:
        load(path, environ={}, hostname="h", running_as="other")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == (str(tmp_path / "name.yaml"), 2, 7)
    assert problem.message == "node cannot change while running: it is other, and would be w"
    assert problem.remedy == "restart the daemon, or keep the name"


def test_the_source_names_the_file_and_its_content(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, PROCESS)
    digest = hashlib.sha256(PROCESS.encode()).hexdigest()[:8]
    assert loaded.source == f"{tmp_path}/supervisor.yaml ({digest})"
    assert loaded.files == (tmp_path / "supervisor.yaml",)
    assert load_text(tmp_path, PROCESS + "\n").source != loaded.source


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.glob("*.yaml")))
def test_each_example_loads(name: str) -> None:
    path = EXAMPLES / name
    for node in listed_nodes(path, environ={}, hostname="host-1").names or ("host-1",):
        assert load(path, environ={}, hostname=node).spec.process_specs()


def test_the_readme_shows_a_file_that_loads(tmp_path: Path) -> None:
    readme = (EXAMPLES.parents[1] / "README.md").read_text()
    shown = readme.split("```yaml\n")[1].split("```")[0]
    assert load_text(tmp_path, shown, hostname="h").spec.elections.keys() == {"hello"}


def test_the_first_example_is_short_and_needs_nothing() -> None:
    assert len((EXAMPLES / "quickstart.yaml").read_text().splitlines()) < 10
    spec = load(EXAMPLES / "quickstart.yaml", environ={}, hostname="host-1").spec
    assert not spec.etcd.endpoints
    (election,) = spec.elections.values()
    (process,) = election.leader.values()
    assert shutil.which(process.command[0])


# --- variables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("${A}", "one"),
        ("<${A}-${A}>", "<one-one>"),
        ("${B:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY}", ""),
        ("${B:-}", ""),
        ("${B:-a b:-c}", "a b:-c"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$A $(A) $", "$A $(A) $"),
        ("${NESTED}", "${A} $$"),
        ("${YAML}", "[a, b]: &c"),
    ],
)
def test_variables(tmp_path: Path, written: str, expected: str) -> None:
    environ = {"A": "one", "EMPTY": "", "NESTED": "${A} $$", "YAML": "[a, b]: &c"}
    loaded = load_text(tmp_path, PROCESS + f"    environment: {{V: '{written}'}}", environ=environ)
    assert loaded.spec.processes[ProcessName("p")].environment == {"V": expected}


def test_a_variable_may_hold_a_number_or_a_duration(tmp_path: Path) -> None:
    text = "elections: {a: {ttl: '${T}', leader: {processes: {p: {command: x, health: {tcp: 'a:${P}', failures: '${N:-4}'}}}}}}"
    election = load_text(tmp_path, text, environ={"T": "7s", "P": "80"}).spec.elections[ElectionName("a")]
    health = election.leader[ProcessName("p")].health
    assert election.ttl_seconds == 7
    assert health is not None
    assert (health.failures, health.address) == (4, "a:80")


@pytest.mark.parametrize(
    ("written", "fragment"),
    [
        ("${A}", "the variable A is not set; set it in the supervisor's environment, or write ${A:-default}"),
        ("${A B}", "'${A B}' is not a variable"),
        ("${A", "'${A' is not a variable"),
        ("${}", "'${}' is not a variable"),
        ("${A-b}", "write ${NAME} or ${NAME:-default}"),
        ("${A:-${B}}", "not nested; for a literal '$' write '$$'"),
        ("${BYTES}", "the variable BYTES holds bytes that are not UTF-8"),
        ("${LONG}${LONG}", "the value is too long once its variables are expanded"),
    ],
)
def test_variables_that_cannot_be_expanded(tmp_path: Path, written: str, fragment: str) -> None:
    environ = {"BYTES": "a\udcff", "LONG": "x" * 100_000}
    check_marked(tmp_path, PROCESS + f"    environment: {{V: ¤'{written}'}}", fragment, environ=environ)


def test_variables_and_aliases_together_are_bounded(tmp_path: Path) -> None:
    text = f"a: &a ${{LONG}}\nb: [{','.join(['*a'] * 1000)}]\n"
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text, environ={"LONG": "x" * 100_000})
    assert "too large once its variables are expanded" in str(caught.value)


# --- includes --------------------------------------------------------------------------------------------------------


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory / "main.yaml"


def refused(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ={}, hostname="h")
    return caught.value.problems


def test_includes_are_merged_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "main.yaml": "include: [conf.d/*.yaml, etc/etcd.yaml]\nelections: {a: }\n" + PROCESS,
            "conf.d/20.yaml": "elections: {c: }\nprocesses: {q: {command: x, log: {file: q.log}, needs: [p]}}",
            "conf.d/10.yaml": "elections: {b: }",
            "conf.d/no.yml": "[not: read",
            "etc/etcd.yaml": "etcd: {endpoints: [a:1]}\ninclude: [more.yaml]",
            "etc/more.yaml": "node: n",
        },
    )
    loaded = load(path, environ={}, hostname="h")
    assert list(loaded.spec.elections) == ["a", "b", "c"]
    assert list(loaded.spec.processes) == ["p", "q"]
    assert loaded.spec.processes[ProcessName("q")].log.file == f"{tmp_path}/conf.d/q.log"
    assert loaded.spec.etcd.endpoints == ("http://a:1",)
    assert loaded.spec.node == "n"
    names = ["main.yaml", "conf.d/10.yaml", "conf.d/20.yaml", "etc/etcd.yaml", "etc/more.yaml"]
    assert loaded.files == tuple(tmp_path / name for name in names)
    assert loaded.directories == (tmp_path / "conf.d", tmp_path / "etc")


def test_a_problem_is_blamed_on_its_own_file(tmp_path: Path) -> None:
    files = {
        "main.yaml": "include: [conf.d/*.yaml]\n¤nod: a\n",
        "conf.d/a.yaml": "processes:\n  p: {command: x, ¤usr: a}\n",
        "conf.d/b.yaml": "processes: ¤@\n",
    }
    path = write(tmp_path, {name: unmarked(text)[0] for name, text in files.items()})
    found = [(p.file, p.line, p.column) for p in refused(path)]
    assert found == [(str(tmp_path / name), *place) for name, text in files.items() for place in unmarked(text)[1]]


def test_a_name_declared_in_two_files_names_both_places(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "main.yaml": "include: [b.yaml]\netcd: {namespace: /a}\nelections: {e: }\n" + PROCESS,
            "b.yaml": "etcd: {namespace: /b}\nprocesses:\n  p: {command: x}\nelections: {e: }",
        },
    )
    found = [str(p) for p in refused(path)]
    b, main = tmp_path / "b.yaml", tmp_path / "main.yaml"
    assert found == [
        f"{b}:1:1: 'etcd' is given in two files, first at {main}:2:1; keep one of the two",
        f"{b}:3:3: processes: 'p' is declared twice, first at {main}:5:3; give one of the two another name",
        f"{b}:4:13: elections: 'e' is declared twice, first at {main}:3:13; give one of the two another name",
    ]


def test_an_include_that_leads_back_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"main.yaml": "include: [b.yaml]\n" + PROCESS, "b.yaml": "include: [c.yaml]", "c.yaml": "include: [main.yaml]"},
    )
    (problem,) = refused(path)
    c, b = tmp_path / "c.yaml", tmp_path / "b.yaml"
    assert str(problem) == (
        f"{c}:1:11: the include leads back to itself: {path} -> {b} -> {c} -> {path};"
        " keep included files in a directory of their own"
    )


def test_an_include_of_its_own_directory_is_refused(tmp_path: Path) -> None:
    (problem,) = refused(write(tmp_path, {"main.yaml": "include: ['*.yaml']\n" + PROCESS}))
    assert "leads back to itself" in problem.message


def test_a_file_that_two_patterns_name_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path, {"main.yaml": "include: ['c/*.yaml', c/a.yaml]\n", "c/a.yaml": PROCESS})
    os.symlink(tmp_path / "c" / "a.yaml", tmp_path / "c" / "b.yaml")
    assert len(load(path, environ={}, hostname="h").files) == 2


def test_a_pattern_may_match_nothing_but_a_file_must_exist(tmp_path: Path) -> None:
    path = write(tmp_path, {"main.yaml": "include: [conf.d/*.yaml]\n" + PROCESS})
    assert load(path, environ={}, hostname="h").directories == (tmp_path / "conf.d",)
    check_marked(tmp_path, "include: [¤a.yaml]\n" + PROCESS, "the included file 'a.yaml' does not exist")


@pytest.mark.parametrize(
    ("include", "fragment"),
    [
        ("¤a.yaml", "write include: [conf.d/*.yaml]"),
        ("[¤'']", "a path or pattern is expected here"),
        ("[¤[a]]", "a path or pattern is expected here"),
        ("[¤~/a.yaml]", "a path or pattern is expected here"),
        ("[¤'" + "a/" * 100 + "']", "the pattern is too long"),
    ],
)
def test_an_include_that_is_none(tmp_path: Path, include: str, fragment: str) -> None:
    check_marked(tmp_path, f"include: {include}\n" + PROCESS, fragment)


def test_variables_in_includes(tmp_path: Path) -> None:
    path = write(tmp_path, {"main.yaml": "include: ['${SITE}.yaml']", "berlin.yaml": PROCESS})
    assert load(path, environ={"SITE": "berlin"}, hostname="h").spec.processes


def test_too_many_files(tmp_path: Path) -> None:
    files = {f"c/{i}.yaml": "" for i in range(300)}
    path = write(tmp_path, {"main.yaml": "include: ['c/*.yaml']\n" + PROCESS, **files})
    (problem,) = refused(path)
    assert problem.message == "more than 200 files match"


def test_too_deep(tmp_path: Path) -> None:
    files = {f"{i}.yaml": f"include: [{i + 1}.yaml]" for i in range(20)}
    (problem,) = refused(write(tmp_path, {"main.yaml": "include: [0.yaml]\n" + PROCESS, **files}))
    assert "too many files are included" in problem.message


# --- files that cannot be read ---------------------------------------------------------------------------------------


def test_no_such_file_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(Path("nowhere.yaml"), environ={}, hostname="h")
    assert str(caught.value).startswith("nowhere.yaml:1:1: there is no such file; check the path")
    assert caught.value.files == (tmp_path / "nowhere.yaml",)


def test_a_directory(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path)
    assert problem.message == "this is a directory"


def test_a_fifo_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (problem,) = refused(tmp_path / "fifo")
    assert problem.message == "this is not a regular file"


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read everything; in here it is nobody."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_file_that_may_not_be_read() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        path = write(Path(scratch), {"main.yaml": PROCESS})
        path.chmod(0)
        with unprivileged():
            (problem,) = refused(path)
    assert "may not read this file" in problem.message


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "a/" * 3000])
def test_a_path_that_can_name_no_file(tmp_path: Path, name: str) -> None:
    (problem,) = refused(tmp_path / name)
    assert "file" in problem.message


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "main.yaml"
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    (problem,) = refused(path)
    assert problem.message == "this file is larger than 10 MB"


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"node: a\nx: \xff\n", (2, 4), "the byte 0xff is not UTF-8"),
        ("é: ".encode() + b"\xe9", (1, 4), "the byte 0xe9 is not UTF-8"),
        (b"\xef\xbb\xbfa: b\nc: \x80", (2, 4), "the byte 0x80 is not UTF-8"),
        ("node: a".encode("utf-16"), (1, 1), "this file is UTF-16, not UTF-8"),
    ],
)
def test_a_file_that_is_not_utf8(tmp_path: Path, data: bytes, place: tuple[int, int], message: str) -> None:
    path = tmp_path / "main.yaml"
    path.write_bytes(data)
    (problem,) = refused(path)
    assert (problem.line, problem.column) == place
    assert problem.message == message


def test_a_broken_file_says_what_to_watch_for_its_correction(tmp_path: Path) -> None:
    path = write(tmp_path, {"main.yaml": "include: [b.yaml]", "b.yaml": "x: ["})
    with pytest.raises(ConfigError) as caught:
        load(path, environ={}, hostname="h")
    assert caught.value.files == (path, tmp_path / "b.yaml")


def test_the_daemon_never_pays_for_more_of_pydantic_than_its_core(tmp_path: Path) -> None:
    (tmp_path / "supervisor.yaml").write_text(PROCESS)
    code = (
        "import sys; from pathlib import Path; from supervisor.config.load import load\n"
        "load(Path(sys.argv[1]), environ={}, hostname='h'); print('pydantic' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "supervisor.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=EXAMPLES.parents[1])
    assert done.stdout == "False\n"


PROBES = """
processes:
  a:
    command: a
    ready:
      http:
        url: https://127.0.0.1:8443/ready
        method: post
        headers: {Authorization: "Bearer ${TOKEN}"}
        status: [204, "300-399", 204]
        body: /^ok$/
        socket: app.sock
        tls: {ca: ca.pem, cert: node.pem, key: node-key.pem, server_name: a.example}
      initial_delay: 250ms
    health: {watchdog: 10s, on_failure: restart}
  b:
    command: b
    ready: {notify: on, within: 1m}
    health: {http: {url: "http://127.0.0.1/", status: 200, body: fine}, initial_delay: 0s}
  c:
    command: c
    ready: {log: "ready (in|after) .* ms"}
    health: {grpc: {address: "unix:/run/c.sock", service: c.C, tls: {ca: ca.pem}}, successes: 2}
  d: {command: d, ready: {tcp: "unix:/run/d.sock"}, health: {grpc: "127.0.0.1:50051"}}
  e: {command: e, health: {watchdog: 1s, failures: 3, successes: 2}, ready: {http: {url: "https://a", tls: {insecure: on}}}}
"""


def test_every_key_of_probes_arrives_in_the_spec(tmp_path: Path) -> None:
    for name in ("ca.pem", "node.pem", "node-key.pem"):
        (tmp_path / name).touch()
    found = {
        (str(name), purpose): getattr(p, purpose)
        for name, p in load_text(tmp_path, PROBES, environ={"TOKEN": "s3cret"}).spec.processes.items()
        for purpose in ("ready", "health")
    }
    ca = f"{tmp_path}/ca.pem"
    tls = ProbeTls(ca=ca, cert=f"{tmp_path}/node.pem", key=f"{tmp_path}/node-key.pem", server_name="a.example")
    assert found == {
        ("a", "ready"): ProbeSpec(
            kind=ProbeKind.HTTP,
            url="https://127.0.0.1:8443/ready",
            http=HttpSpec(
                method="POST",
                headers=(("Authorization", "Bearer s3cret"),),
                statuses=((204, 204), (300, 399)),
                pattern="^ok$",
                socket=f"{tmp_path}/app.sock",
            ),
            tls=tls,
            initial_delay_seconds=0.25,
        ),
        ("a", "health"): ProbeSpec(
            kind=ProbeKind.WATCHDOG, every_seconds=10, failures=1, action=UnhealthyAction.RESTART
        ),
        ("b", "ready"): ProbeSpec(kind=ProbeKind.NOTIFY, within_seconds=60),
        ("b", "health"): ProbeSpec(
            kind=ProbeKind.HTTP, url="http://127.0.0.1/", http=HttpSpec(statuses=((200, 200),), body="fine")
        ),
        ("c", "ready"): ProbeSpec(kind=ProbeKind.LOG, pattern="ready (in|after) .* ms"),
        ("c", "health"): ProbeSpec(
            kind=ProbeKind.GRPC, address="unix:/run/c.sock", service="c.C", tls=ProbeTls(ca=ca), successes=2
        ),
        ("d", "ready"): ProbeSpec(kind=ProbeKind.TCP, address="unix:/run/d.sock"),
        ("d", "health"): ProbeSpec(kind=ProbeKind.GRPC, address="127.0.0.1:50051"),
        ("e", "ready"): ProbeSpec(kind=ProbeKind.HTTP, url="https://a", tls=ProbeTls(insecure=True)),
        ("e", "health"): ProbeSpec(kind=ProbeKind.WATCHDOG, every_seconds=1, failures=3, successes=2),
    }
