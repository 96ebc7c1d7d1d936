"""docs/tutorial.md, run as it stands: every command in its order, in one shell, with the exit code that the page says.

Only two things differ from a reader's terminal: the checkout is installed already, and etcd listens where no other test does.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_ports

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
FENCE = re.compile(r'^```(console|yaml)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
SETTING_UP = ("make venv", ". .venv/bin/activate")
EXIT_CODE = re.compile(r"#.*exit code (\d+)")


def script() -> str:
    """The page as one shell script that ends at the first command whose exit code is not what the page says."""
    lines = ["say() { printf '$ %s\\n' \"$1\"; }"]
    for kind, title, body in FENCE.findall(PAGE.read_text()):
        if kind == "yaml":
            lines.append(f"cat > {title} <<'END_OF_FILE'\n{body}END_OF_FILE")
            continue
        for command in (line.removeprefix("$ ") for line in body.splitlines() if line.startswith("$ ")):
            if command in SETTING_UP:
                continue
            expected = EXIT_CODE.search(command)
            code = expected[1] if expected else "0"
            lines.append(f"say {shell_quoted(command)}\n{command}\ncode=$?; [ $code = {code} ] || exit $((code + 100))")
    return "\n".join(lines)


def shell_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.fixture
def environment() -> dict[str, str]:
    client, peer = (f"http://127.0.0.1:{port}" for port in free_ports(2))
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("SUPERVISOR_", "ETCD"))},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ETCD_LISTEN_CLIENT_URLS": client,
        "ETCD_ADVERTISE_CLIENT_URLS": client,
        "ETCD_LISTEN_PEER_URLS": peer,
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": peer,
        "ETCD_INITIAL_CLUSTER": f"default={peer}",
        "ETCDCTL_ENDPOINTS": client,
        "ETCDCTL_API": "3",
    }


@pytest.mark.etcd
@pytest.mark.system
def test_every_command_of_the_tutorial_does_what_the_page_says(environment: dict[str, str], tmp_path: Path) -> None:
    text = script().replace("http://127.0.0.1:2379", environment["ETCD_LISTEN_CLIENT_URLS"])
    assert text.count("\nsay ") > 25
    shell = subprocess.Popen(
        ["bash", "-c", text],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGCONT)
        os.killpg(shell.pid, signal.SIGTERM)
        said, _ = shell.communicate(timeout=20)
    assert shell.returncode == 0, said
    assert not list(tmp_path.iterdir())
    terms = said.split("supervisor history hello")[-1]
    tokens = [int(token) for token in re.findall(r"^ +(\d+)  [abc] ", terms, re.MULTILINE)]
    assert len(tokens) == 3, terms
    assert tokens == sorted(tokens, reverse=True), terms
