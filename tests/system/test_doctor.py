"""``doctor`` finds what is wrong with a machine and an etcd: real faults, planted one by one, each with its remedy."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.etcd_server import BRISK, EtcdServer
from tests.ports import free_port
from tests.system import unfit

pytestmark = pytest.mark.etcd

Json = dict[str, str]


@dataclass(kw_only=True)
class Patient:
    """A file on a machine that is well."""

    directory: Path
    endpoints: list[str]
    ttl: str = "10s"
    more: str = ""
    """Of the election."""
    etcd: dict[str, object] = field(default_factory=dict)
    wrapper: Sequence[str] = ()
    grade: str = ""
    code: int = -1

    @property
    def file(self) -> Path:
        return self.directory / "etc" / "supervisor.yaml"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    def write(self) -> None:
        self.file.parent.mkdir(mode=0o755, exist_ok=True)
        self.state.mkdir(mode=0o700, exist_ok=True)
        etcd = json.dumps({"endpoints": self.endpoints, **self.etcd})  # which is YAML, too
        self.file.write_text(
            f"node: n1\netcd: {etcd}\nelections:\n  billing: {{ttl: {self.ttl}, {self.more}"
            " leader: {processes: {worker: {command: [sleep, inf]}}}}\n"
        )
        self.file.chmod(0o644)

    def look(self) -> list[Json]:
        """What doctor finds."""
        places = ["--state-dir", str(self.state), "--socket", str(self.directory / "run" / "s")]
        command = [sys.executable, "-m", "supervisor", "doctor", str(self.file), "--json", *places]
        done = subprocess.run([*self.wrapper, *command], capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode in (0, 1, 2), done.stderr
        found = json.loads(done.stdout)
        assert found["schema_version"] == 1
        self.code, self.grade = done.returncode, found["grade"]
        assert self.code == ["ok", "warning", "problem"].index(self.grade)
        shown: list[Json] = found["findings"]
        for one in shown:
            assert bool(one["why"]) == bool(one["remedy"]) == (one["grade"] != "ok"), one
        return shown


@pytest.fixture
def patient(etcd: EtcdServer, tmp_path: Path) -> Patient:
    tmp_path.chmod(0o755)
    return Patient(directory=tmp_path, endpoints=[etcd.endpoint])


# --- the faults ----------------------------------------------------------------------------------------------------

Fault = Callable[[Patient, EtcdServer], AbstractContextManager[None]]


@contextmanager
def dead_endpoint(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    patient.endpoints.append(f"http://127.0.0.1:{free_port()}")
    patient.write()
    yield


@contextmanager
def dead_etcd(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    patient.endpoints = [f"http://127.0.0.1:{free_port()}"]
    patient.write()
    yield


@contextmanager
def another_cluster(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    with EtcdServer(patient.directory / "other", arguments=BRISK) as other:
        patient.endpoints.append(other.endpoint)
        patient.write()
        yield


@contextmanager
def guarded(patient: Patient, password: str, granted: Sequence[str]) -> Iterator[None]:
    """An etcd with auth on, whose user may use these ranges."""
    with EtcdServer(patient.directory / "guarded", arguments=BRISK) as guarded:
        for line in (
            "user add root:secret",
            "role add root",
            "user grant-role root root",
            "user add node:right",
            "role add node",
        ):
            guarded.etcdctl(*line.split())
        for prefix in granted:
            guarded.etcdctl("role", "grant-permission", "node", "--prefix=true", "readwrite", prefix)
        guarded.etcdctl("user", "grant-role", "node", "node")
        guarded.etcdctl("auth", "enable")
        secret = patient.directory / "password"
        secret.write_text(password)
        secret.chmod(0o600)
        patient.endpoints = [guarded.endpoint]
        patient.etcd["auth"] = {"user": "node", "password_file": str(secret)}
        patient.write()
        yield


def missing_permission(patient: Patient, etcd: EtcdServer) -> AbstractContextManager[None]:
    return guarded(patient, "right", ["/supervisor/", "/supervisor.log/"])


def wrong_password(patient: Patient, etcd: EtcdServer) -> AbstractContextManager[None]:
    return guarded(patient, "wrong", ["/supervisor/", "/supervisor.ctl/", "/supervisor.log/"])


@contextmanager
def longer_ttl(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    with EtcdServer(patient.directory / "patient", arguments=("--election-timeout", "8000")) as slow_to_elect:
        patient.endpoints, patient.ttl = [slow_to_elect.endpoint], "5s"
        patient.write()
        yield


@contextmanager
def shorter_ttl(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    with unfit.cutting(etcd.client_port, 5) as endpoint:
        patient.endpoints, patient.more = [endpoint], "lost_grace: 2500ms,"
        patient.write()
        yield


def fill(etcd: EtcdServer) -> None:
    for _ in range(200):
        etcd.etcdctl("put", "big", "x" * 100_000)


@contextmanager
def full_database(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    with EtcdServer(patient.directory / "small", arguments=(*BRISK, "--quota-backend-bytes", "2000000")) as small:
        with pytest.raises(subprocess.CalledProcessError, match="etcdctl"):
            fill(small)
        patient.endpoints = [small.endpoint]
        patient.write()
        yield


@contextmanager
def slow_etcd(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    with unfit.slow(etcd.client_port, 0.35) as endpoint:
        patient.endpoints, patient.ttl = [endpoint], "5s"
        patient.write()
        yield


@contextmanager
def writable_file(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    patient.write()
    patient.file.chmod(0o666)
    yield


@contextmanager
def writable_directory(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    patient.write()
    patient.file.parent.chmod(0o777)
    yield


@contextmanager
def readable_secret(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    secret = patient.directory / "password"
    secret.write_text("nobody asks for it here")
    secret.chmod(0o644)
    patient.etcd["auth"] = {"user": "node", "password_file": str(secret)}
    patient.write()
    yield


def mounted(patient: Patient, script: str) -> AbstractContextManager[None]:
    """In a mount namespace in which ``script`` has done something to the state directory, $0."""

    @contextmanager
    def plant() -> Iterator[None]:
        patient.write()
        patient.wrapper = ["unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', str(patient.state)]
        yield

    return plant()


def read_only_state(patient: Patient, etcd: EtcdServer) -> AbstractContextManager[None]:
    return mounted(patient, 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"')


def full_state(patient: Patient, etcd: EtcdServer) -> AbstractContextManager[None]:
    return mounted(patient, 'mount -t tmpfs -o size=8M,mode=700 none "$0"')


@contextmanager
def few_descriptors(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    patient.write()
    patient.wrapper = ["prlimit", "--nofile=60:60"]
    yield


@contextmanager
def unlocked_memory(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    patient.write()
    drop = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
    patient.wrapper = ["prlimit", "--memlock=65536:65536", *drop]
    yield


@contextmanager
def bad_file(patient: Patient, etcd: EtcdServer) -> Iterator[None]:
    patient.more = "lost_grace: 9s,"
    patient.write()
    yield


ROOT = pytest.mark.root
FAULTS = [
    pytest.param(dead_endpoint, "warning", "etcd.reachable", "Connection refused", "take it out of the file"),
    pytest.param(dead_etcd, "problem", "etcd.reachable", "Connection refused", "start it"),
    pytest.param(another_cluster, "problem", "etcd.cluster", "2 clusters", "members of one cluster only"),
    pytest.param(
        missing_permission, "problem", "etcd.permissions", "may not read and write",
        "etcdctl role grant-permission ROLE --prefix=true readwrite /supervisor.ctl/",
    ),
    pytest.param(wrong_password, "problem", "etcd.permissions", "invalid user ID or password", "etcd.auth.password_file"),
    pytest.param(longer_ttl, "warning", "etcd.ttl", "asked for 5s, granted 12s", "write ttl: 12s"),
    pytest.param(shorter_ttl, "problem", "budget", "the ttl is too short", "have leases granted of at least 9s"),
    pytest.param(full_database, "problem", "etcd.alarm", "NOSPACE", "etcdctl alarm disarm"),
    pytest.param(slow_etcd, "problem", "etcd.roundtrip", "one try of a renewal at ttl 5s has 556 ms", "raise ttl to"),
    pytest.param(writable_file, "problem", "file.permissions", "by everybody (mode 0666)", "chmod go-w"),
    pytest.param(writable_directory, "problem", "file.permissions", "by everybody (mode 0777)", "chmod go-w"),
    pytest.param(readable_secret, "warning", "file.secret", "others may read it (mode 0644)", "chmod go-rwx"),
    pytest.param(read_only_state, "problem", "state.directory", "Read-only file system", "--state-dir", marks=ROOT),
    pytest.param(full_state, "problem", "state.directory", "8.4 MB free", "make room there", marks=ROOT),
    pytest.param(few_descriptors, "problem", "limits.nofile", "60; about 68 are needed", "LimitNOFILE="),
    pytest.param(unlocked_memory, "warning", "guardian.memory", "RLIMIT_MEMLOCK is 65536", "LimitMEMLOCK=infinity", marks=ROOT),
    pytest.param(bad_file, "problem", "file", "the ttl is too short", "raise ttl to"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "grade", "check", "seen", "remedy"), FAULTS)
def test_a_planted_fault_is_found(
    patient: Patient, etcd: EtcdServer, plant: Fault, grade: str, check: str, seen: str, remedy: str
) -> None:
    for tool in ("unshare", "setpriv", "prlimit"):
        assert shutil.which(tool), "util-linux is there"
    if plant in (read_only_state, full_state, unlocked_memory) and os.geteuid() != 0:
        pytest.skip("not root")
    with ExitStack() as planted:
        planted.enter_context(plant(patient, etcd))
        findings = patient.look()
    found = [one for one in findings if one["check"] == check and one["grade"] == grade]
    assert len(found) == 1, findings
    assert seen in found[0]["seen"]
    assert remedy in found[0]["remedy"]
    if grade == "problem":
        others = {one["check"] for one in findings if one["grade"] == "problem"} - {check}
        # What a fault brings with it: nothing is granted or written on a full etcd.
        assert others <= {"etcd.ttl", "etcd.permissions"} if plant is full_database else not others, findings
    assert patient.grade in (grade, "problem")


@pytest.mark.usefixtures("etcd")
def test_nothing_is_found_where_nothing_is_planted(patient: Patient) -> None:
    patient.write()
    findings = patient.look()
    wrong = {one["check"] for one in findings if one["grade"] != "ok"}
    # Of the test's own etcd, and of what the machine of a test may lack.
    assert wrong <= {"etcd.version", "etcd.members", "clock.source", "clock.suspend", "clock.steal", "guardian.oom",
                     "guardian.memory", "guardian.scheduling", "processes.cgroup", "limits.nofile", "limits.nproc"}  # fmt: skip
    seen = {one["check"] for one in findings}
    assert {p.values[2] for p in FAULTS} - {"etcd.cluster", "file.secret"} <= seen


def test_it_leaves_nothing_behind(patient: Patient, fresh_etcd: EtcdServer) -> None:
    patient.endpoints = [fresh_etcd.endpoint]
    patient.write()
    before = sorted(patient.directory.rglob("*"))
    patient.look()
    assert fresh_etcd.etcdctl("get", "--prefix", "") == ""
    assert fresh_etcd.etcdctl("lease", "list") == "found 0 leases\n"
    assert sorted(p for p in patient.directory.rglob("*") if "etcd" not in str(p)) == [
        p for p in before if "etcd" not in str(p)
    ]
