"""Supervisors of local processes, each set up as its own manual says: ours, supervisord, circus, honcho, runit, s6.

Promises: ``argv`` writes the files for so many processes of one command, and says what runs them; ``status`` and ``reload`` are
the rival's own commands, where it has them. Does not: start anything.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from bench.harness.result import OURS
from bench.rivals.prepare import Rivals, library_path
from bench.rows.row import ours


class Local(ABC):
    """One supervisor, in a directory of its own."""

    name: str
    most = 10_000
    """More than so many processes are not asked of it."""

    def __init__(self, rivals: Rivals, home: Path) -> None:
        self.rivals = rivals
        self.home = home
        home.mkdir(parents=True)

    @abstractmethod
    def argv(self, count: int, command: Sequence[str]) -> list[str]:
        """Write the files, and say what to run."""

    def add(self, name: str, command: Sequence[str]) -> None:
        """One process more in the files: of those that ``reload``. The others are not asked, and it would be the row's mistake."""
        raise AssertionError(f"{self.name} adopts no changed file while it runs: not {name} ({command}) either")

    def status(self) -> list[str]:
        """The command that shows all of it; empty when there is none."""
        return []

    def reload(self) -> list[str]:
        """The command that has changed files adopted; empty when there is none."""
        return []

    def environment(self) -> dict[str, str]:
        """For everything that it runs. PyPI's Supervisor must not find the package of ours that has its name."""
        return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


class Ours(Local):
    """This checkout."""

    name = OURS

    def argv(self, count: int, command: Sequence[str]) -> list[str]:
        """One file."""
        self.file = self.home / "file.yaml"
        self.file.write_text("processes:\n")
        for number in range(count):
            self.add(f"p{number}", command)
        return [*ours("run", str(self.file)), "--socket", f"{self.home}/s", "--state-dir", f"{self.home}/state"]

    def add(self, name: str, command: Sequence[str]) -> None:
        """One line."""
        words = ", ".join(f"'{word}'" for word in command)
        with self.file.open("a") as file:
            file.write(f"  {name}: {{command: [{words}]}}\n")

    def environment(self) -> dict[str, str]:
        """With this checkout's package."""
        return dict(os.environ)

    def status(self) -> list[str]:
        """Ours."""
        return ours("status", "--socket", f"{self.home}/s")

    def reload(self) -> list[str]:
        """Ours; waits until it is adopted."""
        return ours("reload", "--socket", f"{self.home}/s")


class Supervisord(Local):
    """PyPI's Supervisor. ``startsecs=0`` takes a process for running as soon as it was started, as ours does."""

    name = "supervisord"

    def argv(self, count: int, command: Sequence[str]) -> list[str]:
        """One section for each."""
        self.file = self.home / "conf"
        socket = f"{self.home}/sock"
        self.file.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile={self.home}/log\npidfile={self.home}/pid\nchildlogdir={self.home}\n"
            f"user=root\nminfds={max(1024, 6 * count)}\n[unix_http_server]\nfile={socket}\n[supervisorctl]\nserverurl=unix://{socket}\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        )
        for number in range(count):
            self.add(f"p{number}", command)
        return [str(self.rivals.programs[self.name]), "-c", str(self.file)]

    def add(self, name: str, command: Sequence[str]) -> None:
        """One section."""
        with self.file.open("a") as file:
            file.write(f"[program:{name}]\ncommand={' '.join(command)}\nstartsecs=0\n")

    def _control(self, verb: str) -> list[str]:
        return [self.rivals.beside(self.name, "supervisorctl"), "-c", str(self.file), verb]

    def status(self) -> list[str]:
        """Its supervisorctl."""
        return self._control("status")

    def reload(self) -> list[str]:
        """Reads the file and acts on what changed."""
        return self._control("update")


class Circus(Local):
    """A watcher for each process, as its users write it."""

    name = "circus"

    def argv(self, count: int, command: Sequence[str]) -> list[str]:
        """One section for each."""
        self.file = self.home / "conf"
        head = f"[circus]\nendpoint=ipc://{self.home}/e\npubsub_endpoint=ipc://{self.home}/p\nstatsd=false\n"
        self.file.write_text(head)
        for number in range(count):
            self.add(f"p{number}", command)
        return [str(self.rivals.programs[self.name]), str(self.file)]

    def add(self, name: str, command: Sequence[str]) -> None:
        """One section."""
        with self.file.open("a") as file:
            file.write(f"[watcher:{name}]\ncmd={' '.join(command)}\nwarmup_delay=0\n")

    def _control(self, verb: str) -> list[str]:
        program = self.rivals.beside(self.name, "circusctl")
        return [program, "--timeout", "60", "--endpoint", f"ipc://{self.home}/e", verb]

    def status(self) -> list[str]:
        """Its circusctl."""
        return self._control("status")

    def reload(self) -> list[str]:
        """Reads the file and acts on what changed."""
        return self._control("reloadconfig")


class Honcho(Local):
    """A Procfile. It restarts nothing: when one process ends it ends all."""

    name = "honcho"
    most = 200
    """It forks a Python of 20 MiB for each."""

    def argv(self, count: int, command: Sequence[str]) -> list[str]:
        """One line for each."""
        file = self.home / "Procfile"
        file.write_text("".join(f"p{number}: exec {' '.join(command)}\n" for number in range(count)))
        return [str(self.rivals.programs[self.name]), "-f", str(file), "start"]


class _Directories(Local):
    """Those that look at a directory with one directory for each process."""

    def _service(self, name: str, command: Sequence[str]) -> Path:
        directory = self.home / "services" / name
        directory.mkdir(parents=True)
        run = directory / "run"
        run.write_text(f"#!/bin/sh\nexec {' '.join(command)}\n")
        run.chmod(0o755)
        return directory

    def add(self, name: str, command: Sequence[str]) -> None:
        """One directory."""
        self._service(name, command)

    def environment(self) -> dict[str, str]:
        """Finds its own programs and libraries, where they were only unpacked."""
        here = str(self.rivals.programs[self.name].parent)
        return {**super().environment(), "PATH": f"{here}:{os.environ['PATH']}", "LD_LIBRARY_PATH": library_path()}


class Runit(_Directories):
    """``runsvdir -P``: a ``runsv`` for each process; looks at its directory every 5 s."""

    name = "runit"

    def argv(self, count: int, command: Sequence[str]) -> list[str]:
        """A directory each."""
        for number in range(count):
            self._service(f"p{number}", command)
        return [str(self.rivals.programs[self.name]), "-P", str(self.home / "services")]

    def status(self) -> list[str]:
        """Its sv, for every directory."""
        return ["sv", "status", *map(str, sorted((self.home / "services").iterdir()))]


class S6(_Directories):
    """``s6-svscan``: an ``s6-supervise`` for each process."""

    name = "s6"

    def argv(self, count: int, command: Sequence[str]) -> list[str]:
        """A directory each; by default it would take 500."""
        for number in range(count):
            self._service(f"p{number}", command)
        program = self.rivals.programs[self.name]
        argv = [str(program), "-c", str(max(500, 2 * count)), str(self.home / "services")]
        if program.parent == Path("/usr/bin"):
            return argv
        # Debian's s6-svscan knows its s6-supervise by its full path: for it alone, what was unpacked lies over /usr/bin.
        overlay = f"mount -t overlay bench -o lowerdir={program.parent}:/usr/bin /usr/bin"
        return ["unshare", "--mount", "sh", "-c", f'{overlay} && exec "$0" "$@"', *argv]

    def status(self) -> list[str]:
        """Its s6-svstat, which shows one: a shell asks for all."""
        return ["sh", "-c", f"for service in {self.home}/services/*; do s6-svstat $service; done"]

    def reload(self) -> list[str]:
        """Look at the directory again."""
        return ["s6-svscanctl", "-a", str(self.home / "services")]


KINDS: dict[str, type[Local]] = {kind.name: kind for kind in (Ours, Supervisord, Circus, Honcho, Runit, S6)}
