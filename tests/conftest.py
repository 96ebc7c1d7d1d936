"""Fixtures that any test may ask for: a real etcd, shared or its own, and a namespace nobody else uses."""

import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etcd_server import BRISK, EtcdServer, installed
from tests.pki import make

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """A run that a shell put in the background ignores SIGINT, and so would every command that a test interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


EXPECTED_SKIPS = ("no writable cgroup v2", "no freezer of cgroup v1", "no /dev/net/tun")
"""What a machine of CI may lack, and nothing that CI installs could give it."""


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI nothing that can run there is skipped: a skip for any other reason fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    reasons = (str(report.longrepr[2]) for report in reporter.stats.get("skipped", []))
    unexpected = sorted({r for r in reasons if not any(known in r for known in EXPECTED_SKIPS)})
    if unexpected and exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"skipped, and should not be: {'; '.join(unexpected)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One etcd for the whole run. Leave it as you found it, and keep to your own ``namespace``."""
    _need_etcd()
    with EtcdServer(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@pytest.fixture
def fresh_etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd of this test alone: freeze it, kill it, restart it."""
    _need_etcd()
    with EtcdServer(tmp_path / "etcd", arguments=BRISK) as server:
        yield server


@pytest.fixture
def namespace() -> str:
    """A key prefix that no other test uses."""
    return f"/test-{next(_numbers)}"


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of certificates (``tests.pki``)."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is needed to make certificates")
    return make(tmp_path_factory.mktemp("pki"))


def _need_etcd() -> None:
    if not installed():
        pytest.skip("no etcd: apt install etcd-server etcd-client, or pip install 'election-supervisor[local]'")
