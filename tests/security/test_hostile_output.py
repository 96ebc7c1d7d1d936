"""What a process says of itself: on a terminal it is read, never obeyed; in a file it stays as it was."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.security.support import ESCAPES, MARKUP, fully, harmless, on_terminal
from tests.system.nodes import COMMAND, Make, until

SAYS = f"""
import os, socket, sys, time
sys.stdout.buffer.write({(ESCAPES + MARKUP).encode("utf-8")!r} + b'\\xff\\x9b\\n'); sys.stdout.flush()
sys.stderr.buffer.write({ESCAPES.encode("utf-8")!r} + b'\\n'); sys.stderr.flush()
one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
one.sendto(b'READY=1\\nSTATUS=' + {(ESCAPES + MARKUP).replace(chr(0), "").encode("utf-8")!r}, '\\0' + os.environ['NOTIFY_SOCKET'][1:])
time.sleep(1000) if sys.argv[1] == 'stays' else sys.exit(3)
"""
FILE = """\
processes:
  stays: {{command: [{python}, {script}, stays], ready: {{notify: yes}}, log: {{file: {log}}}}}
  ends: {{command: [{python}, {script}, ends], ready: {{notify: yes}}, restart: {{limit: 1 per 1m}}}}
"""


@pytest.fixture
def text(tmp_path: Path) -> str:
    script = tmp_path / "says.py"
    script.write_text(SAYS)
    return FILE.format(python=sys.executable, script=script, log=tmp_path / "log.txt")


def test_no_verb_passes_on_what_a_terminal_obeys(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: b"owned" in fully(one, "status") and "gave up" in one.says(), "both have spoken")
    for verb in (["status"], ["status", "ends"], ["status", "--json"], ["events"], ["events", "--json"]):
        harmless(fully(one, *verb))
        harmless(on_terminal(*verb, "--socket", str(one.socket))[1], colours=True)
    code, said = on_terminal("logs", "--socket", str(one.socket))
    assert code == 0
    assert "\\x1b]0;owned" in harmless(said), "written out"
    code, said = on_terminal("logs", "-f", "stays", "--socket", str(one.socket), until="owned")
    harmless(said.replace("^C", ""))
    raw = fully(one, "logs", "stays")
    assert ESCAPES.encode() in raw, "to a pipe bytes stay as they were: for those who want them, and less -R"
    assert ESCAPES.encode() in (tmp_path / "log.txt").read_bytes()


def test_a_daemon_on_a_terminal_writes_out_what_processes_say(text: str, tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    places = ("--socket", str(tmp_path / "s"), "--state-dir", str(tmp_path / "d"))
    _, said = on_terminal("run", str(file), *places, until="gave up")
    assert "owned" in said
    harmless(said.replace("^C", ""))


def test_a_name_with_escapes_is_no_name(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    for name in ("\\e[2J", "a b", "<b>", "$(x)", "[red]", "\\u202e"):
        file.write_text(f'processes: {{"{name}": {{command: x}}}}\n')
        done = subprocess.run([*COMMAND, "check", str(file)], capture_output=True, timeout=60, check=False)
        assert done.returncode == 78, shlex.quote(name)
        harmless(done.stderr)
