"""The command's first step: ``run`` in its plain forms becomes the daemon at once, everything else is click's.

Promises: what is taken here means what ``cli.run`` makes of it (a test compares them); whatever is not plain, or
not right, is left to click, which says so in words. Standard library only: to import click takes as long as to start a Python.
"""

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from supervisor import paths
from supervisor.daemon.handover import Orders, hand_over

_VALUES = ("--node", "--state-dir", "--socket")
_FLAGS = ("--last-good", "--insecure-permissions")


def plain(arguments: Sequence[str], environ: Mapping[str, str], uid: int) -> Orders | None:
    """What these words ask for, if they are ``run`` with a file or none and options in full; None for all else."""
    if not arguments or arguments[0] != "run":
        return None
    given: dict[str, str] = {}
    files: list[str] = []
    words = iter(arguments[1:])
    for word in words:
        name, equals, value = word.partition("=")
        if name in _VALUES:
            value = value if equals else next(words, "")
            if not value or value.startswith("-"):
                return None
            given[name] = value
        elif word in _FLAGS:
            given[word] = "yes"
        elif word.startswith("-") or not word:
            return None
        else:
            files.append(word)
    if len(files) > 1:
        return None
    try:
        socket = Path(given["--socket"]) if "--socket" in given else paths.control_socket(environ, uid)
        state = Path(given["--state-dir"]) if "--state-dir" in given else paths.state_directory(environ, uid)
    except paths.NoPlaceError:
        return None
    return Orders(
        file=(Path(files[0]) if files else paths.DEFAULT_FILE).absolute(),
        socket=socket.absolute(),
        state_dir=state.absolute(),
        node=given.get("--node"),
        wait_etcd_seconds=None,
        last_good="--last-good" in given,
        insecure_permissions="--insecure-permissions" in given,
    )


def main() -> None:
    """The console script."""
    orders = plain(sys.argv[1:], os.environ, os.geteuid())
    if orders is not None:
        with contextlib.suppress(OSError):  # click's way meets the same, and says it
            hand_over(orders)
    from supervisor.cli.main import main as main_with_click  # noqa: PLC0415 # what this file is for

    main_with_click()
