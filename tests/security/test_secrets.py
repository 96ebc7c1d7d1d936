"""Secrets at every place where the file may have one, and then everything that the daemon writes or shows is searched for them."""

import os
import resource
import time
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.ports import free_ports
from tests.security.support import fully, readable
from tests.system.nodes import Make, beats, until
from tests.system.test_metrics import ask

pytestmark = [pytest.mark.etcd, pytest.mark.system]

SECRETS = {
    "etcd-password": "sekrit-etcd-0f3b",
    "environment-of-the-daemon": "sekrit-daemon-1a7c",
    "variable-in-the-file": "sekrit-variable-2b8d",
    "environment-of-a-process": "sekrit-process-3c9e",
    "environment-file": "sekrit-envfile-4daf",
    "webhook-path": "sekrit-hookpath-5eb0",
    "webhook-header": "sekrit-header-6fc1",
    "url-password": "sekrit-url-7ad2",
}
VERBS = (
    ["status"], ["status", "--json"], ["status", "--why", "job"], ["leader", "job", "--json"], ["history", "job", "--json"],
    ["events", "--json"], ["events"], ["plan"], ["plan", "--json"], ["version"], ["logs"],
)  # fmt: skip


def file(text: str, home: Path, port: int) -> str:
    (home / "env").write_text(f"FROM_FILE={SECRETS['environment-file']}\n")
    hook = f"http://127.0.0.1:1/{SECRETS['webhook-path']}"
    extra = f"""\
metrics: {{address: 127.0.0.1:{port}}}
notify:
  hook: {{events: all, webhook: {{url: "{hook}", headers: {{Authorization: "Bearer {SECRETS["webhook-header"]}"}}}}}}
processes:
  other:
    command: [sh, -c, 'sleep 1000']
    environment: {{TOKEN: {SECRETS["environment-of-a-process"]}, OTHER: "${{VARIABLE}}"}}
    environment_files: [{home}/env]
    health: {{http: "http://user:{SECRETS["url-password"]}@127.0.0.1:1/", every: 200ms, timeout: 100ms, failures: 1}}
"""
    return extra + text


def test_no_secret_is_shown_kept_or_handed_on(
    node: Make, text: str, fresh_etcd: EtcdServer, etcd: EtcdServer, namespace: str, tmp_path: Path
) -> None:
    for words in (("role", "add", "r"), ("role", "grant-permission", "r", "--prefix=true", "readwrite", namespace),
                  ("user", "add", f"u:{SECRETS['etcd-password']}"), ("user", "grant-role", "u", "r"),
                  ("user", "add", "root:x"), ("user", "grant-role", "root", "root"), ("auth", "enable")):  # fmt: skip
        fresh_etcd.etcdctl(*words)
    password = tmp_path / "password"
    password.write_text(SECRETS["etcd-password"])
    password.chmod(0o600)
    (port,) = free_ports(1)
    whole = file(text, tmp_path, port).replace(etcd.endpoint, fresh_etcd.endpoint)
    whole = whole.replace("namespace:", f"auth: {{user: u, password_file: {password}}}, namespace:", 1)
    environment = {
        **os.environ,
        "DAEMON": SECRETS["environment-of-the-daemon"],
        "VARIABLE": SECRETS["variable-in-the-file"],
    }
    one = node("one", whole, environment=environment)
    until(lambda: beats(tmp_path / "beats"), "it leads")
    until(lambda: "unhealthy" in fully(one, "status").decode(), "a probe fails, and is told of")
    assert one.run("resign", "job").returncode == 0, "a term is on record"
    until(lambda: len({token for _, token in beats(tmp_path / "beats")}) > 1, "another term")
    found = {" ".join(verb): fully(one, *verb) for verb in VERBS}
    found["doctor"] = fully(one, "doctor", str(one.file), "--json", "--state-dir", str(one.home / "state"))
    found["metrics"] = ask(port, "/metrics")[1].encode()
    found["readyz"] = ask(port, "/readyz")[1].encode()
    found["log"] = one.says().encode()
    found["etcd"] = fresh_etcd.etcdctl("--user", "root:x", "get", "--prefix", "/").encode()
    found |= {f"state/{p.name}": readable(p) for p in (one.home / "state").rglob("*") if p.is_file()}
    found |= processes(one.daemon.pid)
    told = {
        (place, name) for place, said in found.items() for name, secret in SECRETS.items() if secret.encode() in said
    }
    # The file's own text is kept, for --last-good, readable by the daemon's user alone, as the file should be.
    kept = one.home / "state" / "last-good.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert (one.home / "state").stat().st_mode & 0o077 == 0
    in_the_file = {"environment-of-a-process", "webhook-path", "webhook-header", "url-password"}
    its_own = {"environment-of-a-process", "environment-file", "variable-in-the-file"}
    allowed = {("state/last-good.json", name) for name in in_the_file} | {
        ("environ of other", name) for name in its_own
    }
    assert told <= allowed, sorted(told - allowed)
    assert told >= {("environ of other", name) for name in its_own}, "the process that was given them has them"


def processes(daemon: int) -> dict[str, bytes]:
    """The process table, and what each child was given: all that the daemon has started, but itself."""
    found = {}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        line, given = readable(directory / "cmdline"), readable(directory / "environ")
        found[f"cmdline of {directory.name}"] = line
        if b"SUPERVISOR_PROCESS=" in given and b"\0SUPERVISOR_NODE=one\0" in b"\0" + given:
            name = given.partition(b"SUPERVISOR_PROCESS=")[2].partition(b"\0")[0].decode()
            found[f"environ of {name}"] = given
    assert any(place.startswith("environ of ") for place in found), f"no child of {daemon} was looked at"
    return found


def test_the_daemon_leaves_no_core_and_its_children_may(node: Make, tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        pytest.fail("cores are forbidden here: nothing would be tested")
    one = node("one", "processes: {a: {command: [sleep, infinity]}}\n", prefix=["prlimit", "--core=1000:1000"])
    child = one.pid_of("a")

    def cores(pid: int) -> str:
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        return next(line for line in limits if line.startswith("Max core")).split()[4]

    deadline = time.monotonic() + 10
    while cores(one.daemon.pid) != "0":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert cores(child) == "1000"
