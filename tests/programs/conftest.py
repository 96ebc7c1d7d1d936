"""What the tests of programs share."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    """One that nobody listens at, from a range that no client's own end is given."""
    import socket

    first = 20_000 + (os.getpid() * 37) % 5_000
    for candidate in range(first, first + 500):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return candidate
    raise AssertionError("no port is free")
