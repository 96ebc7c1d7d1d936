"""PostgreSQL: the standby streams from the leader, is promoted when it leads, and what was committed is there.

The leader's script makes a database on the very first start, and turns a standby's data into a primary's; the standby's copies the
leader's data and follows it. Both are what ``docs/`` recommends to copy, for two nodes.
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

PRIMARY = """\
#!/bin/sh
# primary DATA PORT: the database of the leader.
set -e
if [ ! -e "$1/PG_VERSION" ]; then
  initdb --pgdata "$1" --auth trust --username postgres --no-sync >/dev/null
  echo "host replication all 127.0.0.1/32 trust" >> "$1/pg_hba.conf"
fi
rm -f "$1/standby.signal" "$1/postmaster.pid"   # whoever held it is proven dead
exec postgres -D "$1" -p "$2" -k "$1" -c listen_addresses=127.0.0.1 -c fsync=off -c wal_keep_size=64MB -c hot_standby=on
"""
STANDBY = """\
#!/bin/sh
# standby DATA PORT PORT_OF_THE_LEADER: a copy of the leader's data that follows it.
set -e
rm -rf "$1.new"
pg_basebackup --pgdata "$1.new" --host 127.0.0.1 --port "$3" --username postgres --write-recovery-conf --checkpoint fast --no-sync
rm -rf "$1"
mv "$1.new" "$1"
chmod 700 "$1"
exec postgres -D "$1" -p "$2" -k "$1" -c listen_addresses=127.0.0.1 -c fsync=off -c hot_standby=on
"""


class Postgres(Program):
    """Each node has its data and its port."""

    def __init__(self, home: Path, endpoint: str, namespace: str, port: int) -> None:
        super().__init__(home, endpoint, namespace)
        self.ports = {"one": port, "two": port + 1}
        for name, text in (("primary", PRIMARY), ("standby", STANDBY)):
            (home / name).write_text(text)
            (home / name).chmod(0o755)
        self.user = "postgres" if os.geteuid() == 0 else ""
        for node in self.ports:
            directory = home / node
            directory.mkdir()
            if self.user:
                entry = pwd.getpwnam(self.user)
                os.chown(directory, entry.pw_uid, entry.pw_gid)

    def election(self, node: str) -> str:
        other = self.ports["two" if node == "one" else "one"]
        data, port = self.home / node / "data", self.ports[node]
        ask = f"[pg_isready, --quiet, --host, 127.0.0.1, --port, '{port}', --timeout, '1']"
        common = f"environment: {{PATH: '{BIN}:/usr/bin:/bin'}}" + (f", user: {self.user}" if self.user else "")
        return f"""\
    leader:
      processes:
        main:
          {common.replace(", user", chr(10) + "          user")}
          command: {self.guarded(node, f"{self.home}/primary {data} {port}")}
          ready: {{exec: {ask}, every: 100ms, timeout: 2s, within: 30s}}
          health: {{exec: {ask}, every: 500ms, timeout: 2s, failures: 2, on_failure: restart}}
          restart: {{limit: 4 per 1m, backoff: 100ms}}
          stop: {{signal: SIGINT, timeout: 10s}}   # PostgreSQL's fast shutdown: the standby gets all of the log first
    follower:
      processes:
        standby:
          {common.replace(", user", chr(10) + "          user")}
          command: [{self.home}/standby, {data}, '{port}', '{other}']
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
