"""A served daemon for tests of the control API."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from supervisor.core.state import State
from tests.control import states
from tests.control.fakes import Answer
from tests.control.serving import Daemon, Serve, serving


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a daemon in a state, healthy if none is given: ``serve(state, answer)``."""
    with ExitStack() as stack:

        def start(state: State | None = None, answer: Answer | None = None) -> Daemon:
            return stack.enter_context(serving(tmp_path / "s", state or states.healthy(), answer))

        yield start
