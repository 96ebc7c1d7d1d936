"""Loads the configuration that was in force last, from what the daemon kept of it in its state directory.

Promises: the same texts, read as they were read then, for this node and with the variables of now; places in messages are
those of the files themselves. Does not: look at these files, or write (``daemon.keeper`` does).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from supervisor.config import permissions
from supervisor.config.load import load
from supervisor.config.loaded import LastGood, Loaded, NotKeptError
from supervisor.config.problems import ConfigError, Problem


def load_last_good(
    place: Path, path: Path, *, environ: Mapping[str, str], node: str | None, hostname: str, root_only: bool
) -> Loaded:
    """What was kept at ``place`` of the file ``path``. Raises ConfigError, and nothing else."""
    try:
        last = LastGood.unpacked(place.read_bytes())
    except OSError as error:
        raise _nothing(place, f"no last good configuration: {error.strerror}") from None
    except NotKeptError as error:
        raise _nothing(place, f"the last good configuration cannot be used: {error}") from None
    if last.path != path:
        raise _nothing(place, f"the last good configuration is one of {last.path}, not of {path}")
    if root_only and (found := permissions.problem(place)) is not None:
        raise _nothing(place, *found)
    loaded = load(path, environ=environ, node=node, hostname=hostname, kept=last.kept)
    return replace(loaded, adopted_at=last.adopted_at)


def _nothing(
    place: Path, message: str, remedy: str = "mend the file itself, and start without --last-good"
) -> ConfigError:
    return ConfigError([Problem(file=str(place), line=1, column=1, message=message, remedy=remedy)])
