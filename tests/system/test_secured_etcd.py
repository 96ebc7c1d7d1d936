"""mTLS, a user and the least rights, end to end with a real daemon: leads, is taken from, and recovers."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.etcd.keys import grants
from supervisor.guardian.protocol import Store
from supervisor.guardian.revoke import Endpoint, RevokeError
from tests.etcd_server import BRISK, EtcdServer, installed
from tests.pki import files, issue, make
from tests.system.nodes import WORK, Make, Node, beats, runs, until

pytestmark = [
    pytest.mark.etcd,
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is needed to make certificates"),
]
# The node's certificate has no CommonName: with auth on, etcd's gateway, which the guardian uses, takes none that has one.
ROOT = ("--user", "root:root-secret")


class Guarded:
    """An etcd that wants a certificate and a user, and what a node needs to be let in."""

    def __init__(self, etcd: EtcdServer, pki: Path, home: Path) -> None:
        self.etcd, self.pki, self.home = etcd, pki, home

    def ctl(self, *arguments: str) -> str:
        return self.etcd.etcdctl(*arguments, *ROOT)

    def file(self) -> str:
        script = WORK.format(beats=self.home / "beats")
        return f"""\
etcd:
  endpoints: ["{self.etcd.endpoint}"]
  tls: {{ca: {self.pki}/ca.pem, cert: {self.pki}/unnamed.pem, key: {self.pki}/unnamed-key.pem}}
  auth: {{user: node, password_file: {self.home}/password}}
elections:
  job: {{ttl: 3s, leader: {{processes: {{work: {{command: [sh, -c, '{script}'], stop: {{timeout: 1s}}}}}}}}}}
"""

    def works(self, one: Node) -> int:
        until(lambda: beats(self.home / "beats"), "the leader works")
        token = one.election()["token"]
        assert isinstance(token, int)
        return token

    def still(self) -> list[int]:
        seen = len(beats(self.home / "beats"))
        until(lambda: len(beats(self.home / "beats")) > seen + 80, "it works on, longer than a TTL", 30.0)
        return sorted({token for _, token in beats(self.home / "beats")})


@pytest.fixture(params=range(max(1, len(installed()))), ids=lambda n: f"etcd-{n}")
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Guarded]:
    binaries = installed()[request.param]
    pki = tmp_path / "pki"
    pki.mkdir()
    make(pki)
    (tmp_path / "password").write_text("node-secret\n")
    arguments = (*BRISK, "--auth-token-ttl", "2")
    with EtcdServer(tmp_path / "etcd", binaries=binaries, tls=files(pki, "server"), arguments=arguments) as etcd:
        etcd.etcdctl("user", "add", "root:root-secret")
        etcd.etcdctl("role", "add", "root")
        etcd.etcdctl("user", "grant-role", "root", "root")
        etcd.etcdctl("user", "add", "node:node-secret")
        etcd.etcdctl("role", "add", "node")
        for line in grants("/supervisor", role="node"):
            etcd.etcdctl(*line.split()[1:])
        etcd.etcdctl("user", "grant-role", "node", "node")
        etcd.etcdctl("auth", "enable")
        yield Guarded(etcd, pki, tmp_path)


def test_leads_outlives_its_token_and_the_guardian_gives_the_lease_back(node: Make, guarded: Guarded) -> None:
    one = node("one", guarded.file())
    token = guarded.works(one)
    assert guarded.still() == [token]  # etcd's tokens last 2 s here
    record = guarded.ctl("get", f"/supervisor.log/job/{token}", "--print-value-only")
    assert json.loads(record)["mark"] == "started"
    assert one.status()["reasons"] == []

    work = one.pid_of("job/work")
    one.daemon.send_signal(signal.SIGKILL)
    until(lambda: not runs(work), "the guardian ends the process")
    until(lambda: not guarded.ctl("get", "--prefix", "/supervisor/job/"), "and gives the key back")
    record = guarded.ctl("get", f"/supervisor.log/job/{token}", "--print-value-only")
    assert json.loads(record)["mark"] == "stopped"


def test_a_rotated_certificate_is_taken_up(node: Make, guarded: Guarded) -> None:
    one = node("one", guarded.file())
    token = guarded.works(one)
    issue(guarded.pki, "ca", "unnamed", "DNS:node", subject="/O=supervisor")  # anew, over the old files
    guarded.etcd.restart()  # every connection is made anew, with what is on disk now
    assert guarded.still() == [token]


def test_a_revoked_permission_is_named_with_its_remedy_and_its_return_is_noticed(node: Make, guarded: Guarded) -> None:
    one = node("one", guarded.file())
    guarded.works(one)
    guarded.ctl("role", "revoke-permission", "node", "/supervisor/", "/supervisor0")
    line = "etcdctl role grant-permission ROLE --prefix=true readwrite /supervisor/"
    until(lambda: f"may not read and write /supervisor/: {line}" in one.says(), "the range and the line")
    until(lambda: line in json.dumps(one.status()["reasons"]), "status says so")
    assert "/supervisor.log/:" not in one.says()
    guarded.ctl(*line.replace("ROLE", "node").split()[1:])
    until(lambda: "may use all it needs again" in one.says(), "the return")
    until(lambda: one.status()["reasons"] == [], "all is well", 30.0)
    guarded.still()


@pytest.mark.parametrize("suffix", [".ctl", ".log"])
def test_a_missing_range_is_named_at_the_start(node: Make, guarded: Guarded, suffix: str) -> None:
    guarded.ctl("role", "revoke-permission", "node", f"/supervisor{suffix}/", f"/supervisor{suffix}0")
    one = node("one", guarded.file())
    line = f"etcdctl role grant-permission ROLE --prefix=true readwrite /supervisor{suffix}/"
    until(lambda: line in one.says(), "the range and the line")
    assert one.says().count("may not read and write") == 1
    guarded.ctl(*line.replace("ROLE", "node").split()[1:])
    until(lambda: "may use all it needs again" in one.says(), "the return")
    guarded.works(one)


def test_the_guardian_says_why_a_certificate_with_a_common_name_is_not_taken(guarded: Guarded) -> None:
    mine = files(guarded.pki, "node")
    store = Store(
        endpoints=(), ca=mine.ca, cert=mine.cert, key=mine.key, server_name=None, user="node",
        password_file=str(guarded.home / "password"),
    )  # fmt: skip
    endpoint = Endpoint(guarded.etcd.endpoint, store)
    with pytest.raises(RevokeError, match="CommonName of client"):
        endpoint.prepare(5.0)
    endpoint.close()
