"""mTLS, a user and the least rights, end to end with a real daemon: leads, is taken from, and recovers."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.etcd.keys import grants
from supervisor.guardian.protocol import Store
from supervisor.guardian.revoke import Endpoint, RevokeError
from tests.etcd_server import BRISK, EtcdServer, installed
from tests.pki import files, issue, make, revoke
from tests.system.nodes import WORK, Make, Node, beats, runs, until
from tests.system.passage import Passage

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

    def file(self, *, ttl: str = "3s", cert: str = "unnamed", etcd: str = "", port: int | None = None) -> str:
        endpoint = self.etcd.endpoint if port is None else f"https://127.0.0.1:{port}"
        script = WORK.format(beats=self.home / "beats")
        return f"""\
etcd:
  endpoints: ["{endpoint}"]
  tls: {{ca: {self.pki}/ca.pem, cert: {self.pki}/{cert}.pem, key: {self.pki}/{cert}-key.pem}}
  auth: {{user: node, password_file: {self.home}/password}}
  {etcd}
elections:
  job: {{ttl: {ttl}, leader: {{processes: {{work: {{command: [sh, -c, '{script}'], stop: {{timeout: 1s}}}}}}}}}}
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
    arguments = (*BRISK, "--auth-token-ttl", "2", "--client-crl-file", str(revoke(pki, "ca")))
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
    one = node("one", guarded.file(ttl="10s"))
    token = guarded.works(one)
    issue(guarded.pki, "ca", "unnamed", "DNS:node", subject="/O=supervisor")  # anew, over the old files
    guarded.etcd.restart()  # every connection is made anew, with what is on disk now
    assert guarded.still() == [token]


def test_a_client_certificate_is_replaced_before_the_old_one_is_revoked(node: Make, guarded: Guarded) -> None:
    """Without a restart of anybody: the next connection is refused with the old one, and made with what is on disk."""
    with Passage(guarded.etcd.client_port) as way:
        one = node("one", guarded.file(ttl="10s", port=way.port))
        token = guarded.works(one)
        shutil.copy(guarded.pki / "unnamed.pem", guarded.pki / "old.pem")
        issue(guarded.pki, "ca", "unnamed", "DNS:node", subject="/O=supervisor")
        revoke(guarded.pki, "ca", "old")
        way.cut()
        assert guarded.still() == [token]
        assert one.status()["reasons"] == []
        os.kill(one.daemon.pid, signal.SIGKILL)
        until(lambda: not guarded.ctl("get", "--prefix", "/supervisor/job/"), "the guardian shows the new one, too")


def test_a_server_certificate_of_another_authority_is_accepted_once_ours_is_on_disk(
    node: Make, guarded: Guarded
) -> None:
    with Passage(guarded.etcd.client_port) as way:
        one = node("one", guarded.file(ttl="10s", port=way.port))
        token = guarded.works(one)
        both = (guarded.pki / "ca.pem").read_text() + (guarded.pki / "stranger.pem").read_text()
        (guarded.pki / "ca.pem").write_text(both)
        issue(guarded.pki, "stranger", "server", "IP:127.0.0.1,DNS:etcd.internal")  # etcd reads it with every handshake
        way.cut()
        assert guarded.still() == [token]
        assert one.status()["reasons"] == []


def test_auth_is_disabled_and_enabled_while_a_term_goes_on(node: Make, guarded: Guarded) -> None:
    one = node("one", guarded.file(ttl="10s"))
    token = guarded.works(one)
    guarded.ctl("auth", "disable")
    assert guarded.still() == [token]
    guarded.etcd.etcdctl("auth", "enable")
    assert guarded.still() == [token]
    assert one.status()["reasons"] == []


def test_a_node_with_a_user_waits_for_auth_to_be_enabled_and_keeps_its_term(node: Make, guarded: Guarded) -> None:
    guarded.ctl("auth", "disable")
    one = node("one", guarded.file(ttl="10s"))
    token = guarded.works(one)
    guarded.etcd.etcdctl("auth", "enable")
    assert guarded.still() == [token]
    assert one.status()["reasons"] == []


def test_auth_enabled_over_a_node_without_a_user_is_named_and_mended_by_a_reload(node: Make, guarded: Guarded) -> None:
    guarded.ctl("auth", "disable")
    text = guarded.file(ttl="30s")
    auth = next(line for line in text.splitlines() if line.startswith("  auth:"))
    one = node("one", text.replace(auth, ""))
    token = guarded.works(one)
    guarded.etcd.etcdctl("auth", "enable")
    until(lambda: "may not read and write /supervisor/" in one.says(), "what is missing")
    until(lambda: "no etcd.auth is set" in json.dumps(one.status()), "why")
    one.file.write_text(text)
    assert one.run("reload").returncode == 0
    until(lambda: "may use all it needs again" in one.says(), "the return")
    assert guarded.still() == [token], "in time, so that the term is the same"


def test_a_changed_password_is_read_again_when_the_token_has_run_out(node: Make, guarded: Guarded) -> None:
    one = node("one", guarded.file(ttl="10s"))
    token = guarded.works(one)
    (guarded.home / "password").write_text("another-secret\n")
    subprocess.run(
        guarded.etcd.etcdctl_command("user", "passwd", "node", "--interactive=false", *ROOT),
        env=guarded.etcd.etcdctl_environment(), input="another-secret\n", text=True, check=True, capture_output=True,
    )  # fmt: skip
    assert guarded.still() == [token]
    assert "another-secret" not in one.says()


def test_candidates_by_call_live_under_the_same_rights(node: Make, guarded: Guarded) -> None:
    one = node("one", guarded.file(etcd="campaign: rpc"))
    token = guarded.works(one)
    two = node("two", guarded.file(etcd="campaign: rpc"))
    until(lambda: "job: following" in two.says(), "the second waits in its call")
    assert guarded.still() == [token]  # longer than its own token lives
    assert one.run("resign", "job").returncode == 0
    until(lambda: beats(guarded.home / "beats")[-1][0] == "two", "the call's turn, its login long out of date")
    assert two.status()["reasons"] == []


def test_a_revoked_permission_that_returns_in_time_costs_no_term(node: Make, guarded: Guarded) -> None:
    one = node("one", guarded.file(ttl="10s"))
    token = guarded.works(one)
    guarded.ctl("role", "revoke-permission", "node", "/supervisor/", "/supervisor0")
    line = "etcdctl role grant-permission ROLE --prefix=true readwrite /supervisor/"
    until(lambda: line in one.says(), "the range and the line")
    guarded.ctl(*line.replace("ROLE", "node").split()[1:])
    until(lambda: "may use all it needs again" in one.says(), "the return")
    assert guarded.still() == [token]


def test_a_revoked_record_costs_no_term_at_all(node: Make, guarded: Guarded) -> None:
    one = node("one", guarded.file())
    token = guarded.works(one)
    guarded.ctl("role", "revoke-permission", "node", "/supervisor.log/", "/supervisor.log0")
    assert guarded.still() == [token]
    guarded.ctl("role", "grant-permission", "node", "--prefix=true", "readwrite", "/supervisor.log/")
    assert one.run("resign", "job").returncode == 0
    until(lambda: beats(guarded.home / "beats")[-1][1] > token, "the next term")
    record = guarded.ctl("get", f"/supervisor.log/job/{token}", "--print-value-only")
    assert json.loads(record)["mark"] == "stopped"


def test_a_common_name_is_warned_of_once_at_the_start(node: Make, guarded: Guarded) -> None:
    one = node("one", guarded.file(cert="node"))
    token = guarded.works(one)
    until(lambda: "HTTP gateway would refuse the guardian" in one.says(), "the warning")
    (line,) = (line for line in one.says().splitlines() if "HTTP gateway" in line)
    assert "CommonName" in line
    assert "/O=supervisor" in line
    assert guarded.still() == [token], "until the daemon dies all is well"


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
    until(lambda: f"may not read and write /supervisor{suffix}/: {line}" in one.says(), "the range and the line")
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
