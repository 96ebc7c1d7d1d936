"""The wall clock may jump: nothing that decides reads it. (A drill cannot set it: there is one per machine.)

gRPC's calls compute their deadlines from it, but turn them into monotonic time as a call begins, so a jump moves none.
"""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent.parent / "supervisor"
FOR_PEOPLE = {
    "cli/fleet.py": "the age of what etcd says, beside the date in a document",
    "cli/history.py": "the time between two dates of the ledger",
    "cli/moving.py": "the date at which an operator wants something",
    "cli/observe.py": "the time stamp of a line that it prints itself",
    "control/past.py": "an instant as a date",
    "core/document.py": "the instant since when, in the proclaimed document",
    "core/ledger.py": "instants as dates, and back: a gap between two nodes is marked as by their clocks",
    "core/requests.py": "a date at which an operator wants something, and until when",
    "daemon/assemble.py": "the time stamp of a log line",
    "daemon/clock.py": "the offset that turns an instant into a date",
    "daemon/keeper.py": "the date at which a file was adopted",
    "daemon/main.py": "the age of the last good file, in a hint",
    "processes/datagrams.py": "the time stamp in a line to syslog",
    "processes/logfile.py": "the day that a log file is of",
    "processes/logs.py": "the time stamp of a line that a child said",
    "processes/rendering.py": "the time stamp of a line that a child said",
    "report/logline.py": "the time stamp of a log line",
}
WALL = {"time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.CLOCK_REALTIME"}


def wall_clocks(path: Path) -> set[str]:
    """What a file uses of it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module in {"datetime", "time"}:
            found |= {node.module} | {f"time.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
    return found & (WALL | {"datetime"})


def test_the_wall_clock_is_for_people_only() -> None:
    using = {str(p.relative_to(PACKAGE)): w for p in PACKAGE.rglob("*.py") if (w := wall_clocks(p))}
    assert set(using) - set(FOR_PEOPLE) == set(), "an instant comes from CLOCK_BOOTTIME (daemon/clock.py)"
    assert using, "something was looked at"
