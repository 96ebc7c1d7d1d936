"""PostgreSQL: the standby streams from the leader, is promoted when it leads, and what was committed is there.

The scripts are those of ``examples/postgresql``: the leader's turns a standby's data into a primary's, the standby's copies the
leader's data and follows it. The first database is made by hand, as docs/howto/postgresql.md says.
"""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.programs.fleet import Fleet, Program
from tests.system.nodes import Make, until

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
BIN = FOUND[-1] if FOUND else None
pytestmark = [
    pytest.mark.system,
    pytest.mark.etcd,
    pytest.mark.skipif(
        BIN is None or shutil.which("initdb", path=str(BIN)) is None, reason="postgresql is not installed"
    ),
]

SCRIPTS = Path(__file__).parents[2] / "examples" / "postgresql"
OPTIONS = "-c listen_addresses=127.0.0.1 -c fsync=off -c wal_keep_size=64MB -c hot_standby=on"


class Postgres(Program):
    """Each node has its data and its port."""

    def __init__(self, home: Path, endpoint: str, namespace: str, port: int) -> None:
        super().__init__(home, endpoint, namespace)
        self.ports = {"one": port, "two": port + 1}
        for name in ("primary", "standby"):
            shutil.copy(SCRIPTS / name, home)
        self.user = "postgres" if os.geteuid() == 0 else ""
        for node in self.ports:
            directory = home / node
            directory.mkdir()
            if self.user:
                entry = pwd.getpwnam(self.user)
                os.chown(directory, entry.pw_uid, entry.pw_gid)
        self._make_the_first(home / "one" / "data")

    def _make_the_first(self, data: Path) -> None:
        assert BIN is not None
        command = [str(BIN / "initdb"), "--pgdata", str(data), "--auth", "trust", "--username", "postgres", "--no-sync"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, user=self.user or None, cwd="/")
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host replication all 127.0.0.1/32 trust\n")

    def election(self, node: str) -> str:
        other = self.ports["two" if node == "one" else "one"]
        data, port = self.home / node / "data", self.ports[node]
        ask = f"[pg_isready, --quiet, --host, 127.0.0.1, --port, '{port}', --timeout, '1']"
        leader = f"host=127.0.0.1 port={other} user=postgres"
        common = f"environment: {{PATH: '{BIN}:/usr/bin:/bin', LEADER: '{leader}'}}"
        common += f"\n          user: {self.user}" if self.user else ""
        options = f"-p {port} -k {data} {OPTIONS}"
        return f"""\
    leader:
      processes:
        main:
          {common}
          command: {self.guarded(node, f"{self.home}/primary {data} {options}")}
          ready: {{exec: {ask}, every: 100ms, timeout: 2s, within: 30s}}
          health: {{exec: {ask}, every: 500ms, timeout: 2s, failures: 2, on_failure: restart}}
          restart: {{limit: 4 per 1m, backoff: 100ms}}
          stop: {{signal: SIGINT, timeout: 10s}}   # PostgreSQL's fast shutdown: the standby gets all of the log first
    follower:
      processes:
        standby:
          {common}
          command: {self.home}/standby {data} {options}
          restart: {{backoff: 200ms..1s, limit: 100 per 1m}}   # until the leader answers
          stop: {{signal: SIGINT, timeout: 10s}}
"""

    def ask(self, node: str, statement: str) -> str:
        """The answer to a statement; empty when there is none."""
        assert BIN is not None
        command = [
            str(BIN / "psql"),
            "-h",
            "127.0.0.1",
            "-p",
            str(self.ports[node]),
            "-U",
            "postgres",
            "-Atqc",
            statement,
        ]
        environment = {**os.environ, "PGCONNECT_TIMEOUT": "2", "PGOPTIONS": "-c statement_timeout=3000"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20, env=environment)
        return done.stdout.strip()

    def serves(self, node: str) -> bool:
        return self.ask(node, "select not pg_is_in_recovery()") == "t"

    def rows(self, node: str) -> str:
        """How many there are."""
        return self.ask(node, "select count(*) from kept")


@pytest.mark.timeout(240)
def test_postgresql_through_crash_hang_give_up_and_switchover(
    node: Make, etcd: EtcdServer, namespace: str, home: Path, port: int
) -> None:
    postgres = Postgres(home, etcd.endpoint, namespace, port)
    fleet = Fleet(node, postgres)
    postgres.ask("one", "create table kept (n int)")
    assert postgres.ask("one", "insert into kept values (1) returning n") == "1"
    fleet.crash(fleet.one)
    assert postgres.rows("one") == "1"
    fleet.fail_health(fleet.one)
    until(lambda: postgres.rows("two") == "1", "the standby to have it", 40)
    assert postgres.ask("two", "select pg_is_in_recovery()") == "t"
    fleet.give_up(fleet.one, fleet.two)
    assert postgres.rows("two") == "1"
    until(lambda: postgres.ask("one", "select pg_is_in_recovery()") == "t", "the old leader as a standby", 60)
    assert postgres.ask("two", "insert into kept values (2) returning n") == "2"
    fleet.switch_over(fleet.two, fleet.one)
    assert postgres.rows("one") == "2", "a switchover lost what was committed"
    fleet.end()
