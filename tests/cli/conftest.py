"""The command line's tests talk to a real control server."""

import pytest

from supervisor.cli import main
from tests.control.conftest import serve

__all__ = ["Said", "say", "serve"]


class Said:
    """Runs the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: object) -> tuple[int, str, str]:
        code = main.run([str(a) for a in args])
        out, err = self._capsys.readouterr()
        return code, out, err


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(capsys)
