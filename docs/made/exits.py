"""docs/reference/exit-codes.md: the codes of ``supervisor/cli/exits.py``, in their words."""

from docs.made.reading import MADE, PACKAGE, members, table
from supervisor.cli import exits

HEAD = """\
# Exit codes

Public, and the same in every verb. 64 and up are those of sysexits.h, 3 and 4 those of a service's status in LSB. What is told of a
failure is on standard error, one message.

"""
TAIL = """\
## Of a command that is run

`supervisor elect` ends with its command's own exit code; 128 and the number of the signal that ended it; 126 when it cannot be executed, 127 when it
is not found; and with the codes above for what is its own doing (75: the office was not had in time, or was lost; 69: etcd was not reached in time).

The unit does not start again after 64, 77 and 78: the same would come of it ([systemd](../systemd.md)).
"""


def page() -> str:
    """The page."""
    told = members(PACKAGE / "cli" / "exits.py")
    rows = [(str(getattr(exits, name)), f"`{name}`", text) for name, text in told.items()]
    missing = [name for _, name, text in rows if not text]
    assert not missing, f"exits.py does not say what these mean: {missing}"
    lines = table(("code", "name", "means"), sorted(rows, key=lambda row: int(row[0])))
    return MADE.format(source="supervisor/cli/exits.py") + HEAD + "\n".join(lines) + "\n" + TAIL
