"""The environment a child starts with.

Promises: nothing of the daemon's own environment reaches a child but ``INHERITED``, so that a secret or a NOTIFY_SOCKET
given to the supervisor stays with it and a child starts the same from a shell as from systemd. In order, later wins:

1. PATH, LANG, LANGUAGE, LC_*, TZ from the daemon (PATH has a default);
2. without ``user``: HOME, USER, LOGNAME, SHELL, TMPDIR from the daemon; with ``user``: HOME, USER, LOGNAME, SHELL from the
   user database, and no TMPDIR, since the daemon's is often a directory of its own;
3. ``pass_environment``: the variables of the daemon that the file names, if they are set;
4. ``environment_files``, read now; 5. ``environment``;
6. LISTEN_* where sockets are passed (the guardian sets them), and SUPERVISOR_*, which nothing can override: containment
   relies on it.

Does not: expand variables (the configuration did), or look for the command on PATH (the guardian does, on this one).
"""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from supervisor.core.spec import ProcessSpec
from supervisor.processes.envfile import parse_environment_file
from supervisor.processes.identity import Identity

INHERITED: Final = ("PATH", "LANG", "LANGUAGE", "TZ")
"""From the daemon, with every LC_*."""

INHERITED_AS_SELF: Final = ("HOME", "USER", "LOGNAME", "SHELL", "TMPDIR")
"""From the daemon when the child runs as the daemon's own user."""

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LARGEST_FILE_BYTES: Final = 1024 * 1024


class EnvironmentFileError(Exception):
    """Environment files that cannot be used; ``problems`` has one ``file:line: what, and what to do`` each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def build_environment(
    spec: ProcessSpec,
    variables: tuple[tuple[str, str], ...],
    base: Mapping[str, str],
    identity: Identity | None = None,
) -> dict[str, str]:
    """The child's whole environment; ``variables`` are the run's SUPERVISOR_*, ``base`` is the daemon's own.

    ``identity`` is the resolved ``spec.user``. Reads the environment files, which may block as any file may. Raises
    EnvironmentFileError with every problem of every file.
    """
    environment = _inherited(base, identity)
    environment.update({name: base[name] for name in spec.pass_environment if name in base})
    environment.update(read_environment_files(spec.environment_files))
    environment.update(spec.environment)
    environment.update(variables)
    return environment


def read_environment_files(paths: tuple[str, ...]) -> dict[str, str]:
    """What the files say together, later ones winning. A path behind ``-`` may be missing. Raises EnvironmentFileError."""
    variables: dict[str, str] = {}
    problems: list[str] = []
    for path in paths:
        name = path.removeprefix("-")
        try:
            text = _text(Path(name))
        except FileNotFoundError:
            if not path.startswith("-"):
                problems.append(f"{name}: no such file: create it, or write -{name} if it may be missing")
            continue
        except OSError as error:
            problems.append(f"{name}: {error.strerror}: the supervisor's user must be able to read it")
            continue
        except ValueError as error:
            problems.append(f"{name}{error}")
            continue
        parsed = parse_environment_file(text)
        problems.extend(f"{name}:{line}: {problem}" for line, problem in parsed.problems)
        variables.update(parsed.variables)
    if problems:
        raise EnvironmentFileError(tuple(problems))
    return variables


def _inherited(base: Mapping[str, str], identity: Identity | None) -> dict[str, str]:
    names = INHERITED if identity else INHERITED + INHERITED_AS_SELF
    environment = {"PATH": DEFAULT_PATH}
    environment.update({name: value for name, value in base.items() if name in names or name.startswith("LC_")})
    if identity:
        environment.update(HOME=identity.home, USER=identity.name, LOGNAME=identity.name, SHELL=identity.shell)
    return environment


def _text(path: Path) -> str:
    """Raises OSError, or ValueError with the end of a ``file...`` message."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # reading a FIFO would hang
        raise ValueError(": not a regular file: name a file of KEY=VALUE lines")
    if status.st_size > LARGEST_FILE_BYTES:
        raise ValueError(f": {status.st_size} bytes are too many for an environment: at most {LARGEST_FILE_BYTES}")
    data = path.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f":{line}: not UTF-8: save the file as UTF-8") from error
