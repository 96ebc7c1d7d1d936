"""What a row is: a name, a question, and a function that measures the answer."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bench.harness.result import Metric
from bench.rivals.contenders import Contender, Place
from bench.rivals.prepare import Rivals, prepare
from tests.etcd_server import Binaries, EtcdServer

MEMORY = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every row is given."""

    scratch: Path
    """Of this row; goes afterwards."""
    binaries: Binaries
    kinds: Sequence[type[Contender]] = ()
    quick: bool = False
    asked_rounds: int | None = None
    only: frozenset[str] = field(default_factory=frozenset)
    """Sides that are wanted; empty: all."""

    def rounds(self, quick: int, full: int) -> int:
        """How many: as asked, or by the mode."""
        return self.asked_rounds or (quick if self.quick else full)

    @cached_property
    def rivals(self) -> Rivals:
        """Those for local supervision; fetched when a row first asks."""
        return prepare()

    def wants(self, side: str) -> bool:
        """Whether that side is to be measured."""
        return not self.only or side in self.only

    @contextmanager
    def etcd(self) -> Iterator[EtcdServer]:
        """One member on loopback, its data in memory: how long this disk's fsync takes is no rival's doing."""
        with in_memory() as data, EtcdServer(data / "etcd", binaries=self.binaries) as etcd:
            yield etcd

    def wanted(self) -> list[type[Contender]]:
        """The kinds of contenders."""
        return [kind for kind in self.kinds if self.wants(kind.name)]


@contextmanager
def in_memory() -> Iterator[Path]:
    """A directory on a tmpfs where there is one; goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="sv", dir=MEMORY if MEMORY.is_dir() else None) as directory:
        yield Path(directory)


@contextmanager
def contenders(setting: Setting, place: Place, kinds: Sequence[type[Contender]]) -> Iterator[list[Contender]]:
    """One of each, all started; none is left."""
    made: list[Contender] = []
    try:
        for kind in kinds:
            made.append(kind(place, setting.scratch))
            made[-1].start()
        yield made
    finally:
        for one in made:
            one.close()


def on_loopback(etcd: EtcdServer, *, ttl_seconds: int = 10, candidates: int = 2) -> Place:
    """All candidates beside one member."""
    return Place(
        endpoints=(etcd.endpoint,), binaries=etcd.binaries, inside=((),) * candidates, ttl_seconds=ttl_seconds,
        queue=lambda prefix: len(etcd.etcdctl("get", "--prefix", "--keys-only", prefix).split()),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One that can be chosen by name."""

    name: str
    title: str
    measure: Callable[[Setting], list[Metric]]


def show(words: str) -> None:
    """Progress, on stderr: what is printed on stdout is results."""
    print(f"  {words}", file=sys.stderr, flush=True)


def ours(*arguments: str) -> list[str]:
    """The command line of this checkout's ``supervisor``."""
    return [sys.executable, "-m", "supervisor", *arguments]


def end(process: "subprocess.Popen[bytes]", seconds: float = 30.0) -> None:
    """SIGTERM, and SIGKILL when that is not heeded."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
