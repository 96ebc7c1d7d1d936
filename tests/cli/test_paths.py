"""Where things are when nobody says."""

from pathlib import Path

import pytest

from supervisor import paths


@pytest.mark.parametrize(
    ("environ", "uid", "expected"),
    [
        ({"SUPERVISOR_SOCKET": "/x/y.sock"}, 0, "/x/y.sock"),
        ({"SUPERVISOR_SOCKET": ""}, 0, "/run/supervisor/control.sock"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, 0, "/run/supervisor/control.sock"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, 7, "/run/user/7/supervisor/control.sock"),
        ({"XDG_RUNTIME_DIR": "relative"}, 987654, "/tmp/supervisor-987654/control.sock"),
        ({}, 987654, "/tmp/supervisor-987654/control.sock"),
    ],
)
def test_the_control_socket(environ: dict[str, str], uid: int, expected: str) -> None:
    assert paths.control_socket(environ, uid) == Path(expected)


@pytest.mark.parametrize(
    ("environ", "uid", "expected"),
    [
        ({"SUPERVISOR_STATE_DIR": "/x"}, 7, "/x"),
        ({"HOME": "/root"}, 0, "/var/lib/supervisor"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "/s"}, 7, "/s/supervisor"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "s"}, 7, "/home/me/.local/state/supervisor"),
    ],
)
def test_the_state_directory(environ: dict[str, str], uid: int, expected: str) -> None:
    assert paths.state_directory(environ, uid) == Path(expected)


def test_without_a_home_the_state_directory_must_be_named() -> None:
    with pytest.raises(paths.NoPlaceError, match="--state-dir"):
        paths.state_directory({}, 7)


def test_a_relative_socket_is_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.control_socket({"SUPERVISOR_SOCKET": "s"}, 0) == tmp_path / "s"
