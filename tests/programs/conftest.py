"""What the tests of programs share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.system.conftest import node

__all__ = ["node"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path that every user may enter: sockets have room for a hundred characters, and pytest's own is private."""
    path = Path(tempfile.mkdtemp(prefix="sv-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def port() -> int:
    """One that nobody listens at."""
    return free_port()
