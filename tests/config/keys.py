"""For every key of the file two values, and what else must stand in the file for them to mean something.

One table for three questions: does the reference say what a change costs (``test_described``), does ``core.diff`` say the
same, and does the running system do so (``tests/system/test_key_classes``)?
"""

import os
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ABSENT = object()
"""In the place of a value: the key is left out, and its section if nothing else is in it."""
SILENT = object()
"""Likewise, but the section stays."""

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A key that changes."""

    old: object
    new: object
    beside: Tree = field(default_factory=dict)
    """What else is said of the process, or of the election, beside what every one has."""
    root: bool = False
    """Needs root."""


def case(old: object, new: object, *, root: bool = False, **beside: object) -> Case:
    return Case(old=old, new=new, beside=dict(beside), root=root)


IDLE = ["sleep", "infinity"]
ONCE = "10h"
"""A health probe that looks this seldom looks once here."""
LATER: Tree = {"tcp": "#etcd", "every": ONCE}
HTTP: Tree = {"http": {"url": "http://#etcd/health"}, "every": ONCE, "failures": 1}
HTTPS: Tree = {"http": {"url": "https://#etcd/health"}, "every": ONCE, "failures": 1}
GRPC: Tree = {"grpc": {"address": "#etcd"}, "every": ONCE, "failures": 1}
PASSES = {"exec": ["true"]}
FILE = {"file": "@/one.log"}
"""``@`` stands for a directory of the test's own."""

AT: Mapping[str, tuple[str, ...]] = {
    "Process": (),
    "Capabilities": ("capabilities",),
    "Cgroup": ("cgroup",),
    "Socket": ("sockets", "one"),
    "Ready": ("ready",),
    "Health": ("health",),
    "Http": ("health", "http"),
    "ProbeTls": ("health", "http", "tls"),
    "Grpc": ("health", "grpc"),
    "Restart": ("restart",),
    "Stop": ("stop",),
    "Log": ("log",),
    "Syslog": ("log", "syslog"),
    "Election": (),
    "Proclaim": ("proclaim",),
    "Leader": ("leader",),
    "LeaderHooks": ("leader", "hooks"),
    "Hook": ("leader", "hooks", "gave_up"),
    "Follower": ("follower",),
    "FollowerHooks": ("follower", "hooks"),
}
"""Where a section stands in a process, or in an election."""

OF_A_PROCESS: Mapping[str, Case] = {
    "Process.command": case(["sleep", "infinity"], ["sleep", "999999"]),
    "Process.directory": case("/", "/usr"),
    "Process.environment": case({"A": "1"}, {"A": "2"}),
    "Process.environment_files": case(ABSENT, ["-/no/such/file"]),
    "Process.pass_environment": case(ABSENT, ["SOME_VARIABLE"]),
    "Process.user": case(ABSENT, str(os.getuid())),
    "Process.umask": case("022", "027"),
    "Process.limits": case({"nofile": 100}, {"nofile": 101}),
    "Process.groups": case([], ["1"], root=True),
    "Process.nice": case(10, 11),
    "Process.scheduling": case("other", "batch"),
    "Process.ionice": case("idle", {"class": "best-effort", "level": 7}),
    "Process.oom_score_adj": case(900, 901),
    "Process.cpu_affinity": case(ABSENT, str(min(os.sched_getaffinity(0)))),
    "Process.no_new_privileges": case("off", "on"),
    "Process.private_tmp": case("off", "on", root=True),
    "Process.sockets": case({"a": "unix://@/a"}, {"b": "unix://@/b"}),
    "Process.pty": case("off", "on"),
    "Process.instances": case(2, 3),
    "Process.kind": case("service", "task"),
    "Process.timeout": case("1h", "2h", kind="task"),
    "Process.needs": case(ABSENT, ["needed"]),
    "Capabilities.keep": case(["chown"], ["kill"], root=True),
    "Capabilities.drop": case(["sys_time"], ["sys_boot"], root=True),
    "Cgroup.memory": case("900MB", "901MB", cgroup={"best_effort": "on"}),
    "Cgroup.memory_high": case("800MB", "801MB", cgroup={"best_effort": "on"}),
    "Cgroup.swap": case("100MB", 0, cgroup={"best_effort": "on"}),
    "Cgroup.cpu": case("50%", "60%", cgroup={"best_effort": "on"}),
    "Cgroup.cpu_weight": case(50, 51, cgroup={"best_effort": "on"}),
    "Cgroup.pids": case(50, 51, cgroup={"best_effort": "on"}),
    "Cgroup.io_weight": case(50, 51, cgroup={"best_effort": "on"}),
    "Cgroup.best_effort": case("on", "off", cgroup={"memory": "unlimited"}, restart={"policy": "never"}),
    "Socket.listen": case("unix://@/listen-1", "unix://@/listen-2"),
    "Socket.backlog": case(10, 11, sockets={"one": {"listen": "unix://@/backlog"}}),
    "Socket.mode": case("0600", "0660", sockets={"one": {"listen": "unix://@/mode"}}),
    "Socket.owner": case(ABSENT, str(os.getuid()), sockets={"one": {"listen": "unix://@/owner"}}),
    "Socket.reuse_port": case("off", "on", sockets={"one": {"listen": "tcp://127.0.0.1:#"}}),
    "Ready.exec": case(["true"], ["true", "again"]),
    "Ready.http": case("http://#etcd/health", "http://#etcd/version"),
    "Ready.tcp": case("#etcd", "127.0.0.1:9"),
    "Ready.grpc": case("#etcd", "127.0.0.1:9"),
    "Ready.initial_delay": case("0s", "1s", ready=PASSES),
    "Ready.every": case("100ms", "200ms", ready=PASSES),
    "Ready.timeout": case("5s", "6s", ready=PASSES),
    "Ready.failures": case(3, 4, ready=PASSES),
    "Ready.successes": case(1, 2, ready=PASSES),
    "Ready.notify": case(ABSENT, "on", command=["@/notifies"]),
    "Ready.log": case("u.", "up", command=["sh", "-c", "echo up; exec sleep infinity"]),
    "Ready.within": case("20s", "30s", ready=PASSES),
    "Health.exec": case(["true"], ["true", "again"], health={"every": ONCE}),
    "Health.http": case("http://#etcd/health", "http://#etcd/version", health={"every": ONCE}),
    "Health.tcp": case("#etcd", "localhost:##etcd", health={"every": ONCE}),
    "Health.grpc": case("#etcd", "localhost:##etcd", health={"every": ONCE}),
    "Health.initial_delay": case("0s", "10ms", health=LATER),
    "Health.every": case("10h", "11h", health={"tcp": "#etcd"}),
    "Health.timeout": case("1s", "2s", health=LATER),
    "Health.failures": case(3, 4, health=LATER),
    "Health.successes": case(1, 2, health=LATER),
    "Health.watchdog": case("1h", "2h", command=["@/notifies"]),
    "Health.on_failure": case("report", "restart", health=LATER),
    "Http.url": case("http://#etcd/health", "http://#etcd/version", health=HTTP),
    "Http.method": case("GET", "HEAD", health=HTTP),
    "Http.headers": case({"X-Probe": "1"}, {"X-Probe": "2"}, health=HTTP),
    "Http.status": case([200], ["200-299"], health=HTTP),
    "Http.body": case("true", "/tr+ue/", health=HTTP),
    "Http.socket": case("@/s1", "@/s2", health=HTTP),
    "ProbeTls.ca": case("@/ca.pem", "@/ca-2.pem", health=HTTPS),
    "ProbeTls.cert": case(
        "@/node.pem",
        "@/node-2.pem",
        health={**HTTPS, "http": {**HTTPS["http"], "tls": {"key": "@/node-key.pem"}}},
    ),
    "ProbeTls.key": case(
        "@/node-key.pem",
        "@/node-2-key.pem",
        health={**HTTPS, "http": {**HTTPS["http"], "tls": {"cert": "@/node.pem"}}},
    ),
    "ProbeTls.server_name": case("a", "b", health=HTTPS),
    "ProbeTls.insecure": case("off", "on", health=HTTPS),
    "Grpc.address": case("#etcd", "localhost:##etcd", health=GRPC),
    "Grpc.service": case("a", "b", health=GRPC),
    "Restart.policy": case("always", "never"),
    "Restart.expected": case([0], [0, 3]),
    "Restart.backoff": case("100ms..30s", "200ms"),
    "Restart.limit": case("5 per 1m", "unlimited"),
    "Restart.reset_after": case("10s", "20s"),
    "Stop.signal": case("SIGTERM", "SIGINT"),
    "Stop.timeout": case("10s", "11s"),
    "Stop.signals": case(["SIGINT 1s"], ["SIGINT 1s", "SIGTERM 1s"]),
    "Stop.to": case("group", "all"),
    "Stop.before": case(["true"], ["true", "again"]),
    "Stop.before_timeout": case("5s", "6s", stop={"before": ["true"]}),
    "Log.to": case("stdout", ["stdout", "journal"]),
    "Log.file": case("@/file-1.log", "@/file-2.log"),
    "Log.stderr_file": case(ABSENT, "@/stderr.log", log={"file": "@/stderr-file.log"}),
    "Log.max_size": case("50MB", "off", log={"file": "@/max_size.log"}),
    "Log.max_age": case(ABSENT, "1d", log={"file": "@/max_age.log"}),
    "Log.keep": case(10, 5, log={"file": "@/keep.log"}),
    "Log.compress": case("off", "gzip", log={"file": "@/compress.log"}),
    "Log.format": case("text", "json"),
    "Log.timestamps": case("off", "on"),
    "Log.prefix": case("on", "off"),
    "Syslog.facility": case("daemon", "local3", log={"to": "syslog"}),
    "Syslog.format": case("rfc3164", "rfc5424", log={"to": "syslog"}),
}

IDLE_STANDBY = {"standby": {"command": IDLE}}
GAVE_UP: Tree = {"leader": {"hooks": {"gave_up": {"command": ["true"]}}}}
OF_AN_ELECTION: Mapping[str, Case] = {
    "Election.ttl": case("5s", "6s"),
    "Election.lost_grace": case("200ms", "300ms"),
    "Election.safety_margin": case("600ms", "700ms"),
    "Election.campaign_timeout": case("1h", "2h"),
    "Election.takeover_guard": case("on", "off"),
    "Election.on_giveup": case("resign", "stay"),
    "Election.cooldown": case("10s..5m", "1s"),
    "Election.campaign_when": case("always", "healthy"),
    "Election.priority": case("0", "50"),
    "Election.priority_cooldown": case("1m", "5m"),
    "Election.reload": case("keep", "resign"),
    "Election.history": case("10", "20"),
    "Proclaim.every": case("10s", "20s"),
    "Proclaim.value": case({"a": 1}, {"a": 2}),
    "Leader.processes": case({"idle": {"command": IDLE}}, {"idle": {"command": IDLE}, "more": {"command": IDLE}}),
    "LeaderHooks.elected": case(["true"], ["true", "again"]),
    "LeaderHooks.demoted": case(["true"], ["true", "again"]),
    "LeaderHooks.gave_up": case(["true"], ["true", "again"]),
    "Hook.command": case(["true"], ["true", "again"], **GAVE_UP),
    "Hook.timeout": case("10s", "11s", **GAVE_UP),
    "Hook.directory": case("/", "/usr", **GAVE_UP),
    "Hook.environment": case({"A": "1"}, {"A": "2"}, **GAVE_UP),
    "Hook.environment_files": case(ABSENT, ["-/no/such/file"], **GAVE_UP),
    "Hook.user": case(ABSENT, str(os.getuid()), **GAVE_UP),
    "Hook.umask": case("022", "027", **GAVE_UP),
    "Hook.limits": case({"nofile": 100}, {"nofile": 101}, **GAVE_UP),
    "Follower.processes": case(ABSENT, IDLE_STANDBY),
    "FollowerHooks.leader_changed": case(["true"], ["true", "again"]),
    "FollowerHooks.gave_up": case(["true"], ["true", "again"]),
}

OF_THE_FILE = (
    "File.node", "File.elections", "File.processes", "File.include", "File.nodes", "File.unlisted_nodes", "File.notify",
    "Overlay.elections", "Overlay.processes",
)  # fmt: skip
OF_ETCD = ("Etcd.endpoints", "Etcd.discovery_srv", "Etcd.discovery_srv_name", "Etcd.namespace", "Etcd.campaign",
           "Tls.ca", "Tls.cert", "Tls.key", "Tls.server_name", "Auth.user", "Auth.password_file")  # fmt: skip

OF_THE_OUTSIDE = (
    "Metrics.address", "Web.address", "Web.logs", "Web.names", "Notify.events", "Notify.webhook", "Notify.elections", "Notify.command", "Notify.user",
    "Notify.timeout", "Notify.retries", "Notify.backoff", "Webhook.url", "Webhook.headers", "Webhook.ca",
)  # fmt: skip
"""Nothing that runs looks at them: ``tests/system/test_metrics`` and ``test_notify`` change them while a term goes on."""

OF_CONTROL = ("Control.group", "Control.read_group", "Control.mode")
"""Shown on a real daemon by tests/system/test_access.py."""
"""What the whole file and every election in it hang on: each has a test of its own."""


def declared(key: str, found: Case, base: Tree, *, new: bool) -> Tree:
    """The process or the election in which the key has its old value, or its new one."""
    tree = _merged(deepcopy(base), deepcopy(found.beside))
    value = found.new if new else found.old
    section, _, name = key.partition(".")
    if value is ABSENT:
        return tree
    here = tree
    for step in AT[section]:
        here = here.setdefault(step, {})
    if value is not SILENT:
        here[name] = deepcopy(value)
    return tree


def process(key: str, *, new: bool) -> Tree:
    """A process of the table."""
    return declared(key, OF_A_PROCESS[key], {"command": IDLE}, new=new)


def election(key: str, *, new: bool) -> Tree:
    """An election of the table."""
    base = {"ttl": "5s", "leader": {"processes": {"idle": {"command": IDLE}}}}
    return declared(key, OF_AN_ELECTION[key], base, new=new)


def _merged(base: Tree, more: Tree) -> Tree:
    for key, value in more.items():
        base[key] = _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return base


def placed(tree: object, directory: Path, etcd: str = "127.0.0.1:2379", port: int = 9) -> Any:
    """With the test's own directory, etcd's address and port, and a free port, where ``@``, ``#etcd``, ``##etcd``, ``#`` stand."""
    if isinstance(tree, dict):
        return {key: placed(value, directory, etcd, port) for key, value in tree.items()}
    if isinstance(tree, list):
        return [placed(value, directory, etcd, port) for value in tree]
    if isinstance(tree, str):
        known = {"@": str(directory), "##etcd": etcd.rpartition(":")[2], "#etcd": etcd, "#": str(port)}
        return re.sub("@|##etcd|#etcd|#", lambda found: known[found.group()], tree)
    return tree


def furnish(directory: Path) -> None:
    """The files that the table's values name."""
    for name in ("ca", "ca-2", "node", "node-2", "node-key", "node-2-key"):
        (directory / f"{name}.pem").write_text("")
    notifies = directory / "notifies"
    notifies.write_text(NOTIFIES)
    notifies.chmod(0o755)


NOTIFIES = """\
#!/usr/bin/env python3
import os, socket, time
if "NOTIFY_SOCKET" in os.environ:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(b"READY=1" + bytes([10]) + b"WATCHDOG=1", os.environ["NOTIFY_SOCKET"].replace("@", chr(0), 1))
time.sleep(1e6)
"""
