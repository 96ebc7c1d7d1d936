"""A store that checks the fencing token: what to do where no supervisor, on any machine, can promise anything.

A machine may stop as a whole, clocks and all, in the middle of a write, and go on when another leads. The write then
arrives late, and only who receives it can tell: by the token, which rises with every term. The rule is one line: remember
the highest token seen, and refuse what comes with a lower one. In one transaction with the write itself, or it is no rule.

    SUPERVISOR_FENCING_TOKEN=12 python fenced_store.py accounts.db alice 100
"""

import os
import sqlite3
import sys


class FencedError(Exception):
    """A newer leader has written already: whoever tries to write is one no more, and should end."""


def write(database: sqlite3.Connection, token: int, name: str, value: int) -> None:
    """Write as the leader of this term. Raises FencedError when a later term has written."""
    with database:  # one transaction: the check and the write, or neither
        database.execute("CREATE TABLE IF NOT EXISTS fence (one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER)")
        database.execute("CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, value INTEGER)")
        database.execute("INSERT OR IGNORE INTO fence VALUES (1, 0)")
        if database.execute("UPDATE fence SET token = ? WHERE token <= ?", (token, token)).rowcount == 0:
            raise FencedError(f"token {token} is not the newest any more")
        database.execute("INSERT OR REPLACE INTO account VALUES (?, ?)", (name, value))


def main() -> None:
    """Write one value with the token that the supervisor gave us."""
    path, name, value = sys.argv[1:]
    database = sqlite3.connect(path, timeout=10)
    try:
        write(database, int(os.environ["SUPERVISOR_FENCING_TOKEN"]), name, int(value))
    except FencedError as error:
        sys.exit(f"not written: {error}")
    finally:
        database.close()


if __name__ == "__main__":
    main()
