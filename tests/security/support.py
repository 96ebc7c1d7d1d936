"""What the attacks share: the verbs on a terminal of their own, and what no terminal may be sent."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.system.nodes import COMMAND, Node

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\x08\u202egnp\u2066x\u2028y\x00"
"""Sets a title, clears, colours in both ways, steps back, reverses, ends a line, ends a C string."""
MARKUP = "<script>alert(1)</script><b>&\"'[bold red]rich[/bold red][/]:smile:$(touch owned)`touch owned`;touch owned"


def harmless(output: str | bytes, *, colours: bool = False) -> str:
    """The output as text, when it holds nothing that a terminal would obey but our own ends of lines (and colours)."""
    shown = output.decode() if isinstance(output, bytes) else output
    bare = shown.replace("\r\n", "\n")
    if colours:
        import re

        bare = re.sub(r"\x1b\[[0-9;]*m", "", bare)
    bad = {c for c in bare if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u2028"}
    assert not bad, f"{bad} in {shown!r:.2000}"
    return bare


def on_terminal(
    *arguments: str, until: str = "", seconds: float = 30.0, environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """The command with a terminal as its output: exit code and what it wrote there. ``until``: interrupted when that is seen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(COMMAND[0], [*COMMAND, *arguments], {**os.environ, "TERM": "xterm", **(environment or {})})
    wrote, deadline = b"", time.monotonic() + seconds
    with contextlib.suppress(OSError):  # EIO: it has ended
        while True:
            assert time.monotonic() < deadline, f"not seen on the terminal: {until!r}: {wrote!r:.2000}"
            if select.select([terminal], [], [], 0.2)[0]:
                piece = os.read(terminal, 65536)
                if not piece:
                    break
                wrote += piece
            if until and until.encode() in wrote:
                os.kill(pid, signal.SIGINT)
                until = ""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), wrote.decode(errors="replace")


def fully(node: Node, verb: str, *arguments: str) -> bytes:
    """All that a verb writes, as bytes."""
    argv = [*COMMAND, verb, *arguments, "--socket", str(node.socket)]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    return done.stdout + done.stderr


def term(node: Node, name: str = "job") -> tuple[str, int]:
    """Role and token of a node in an election."""
    if node.run("status").returncode not in (0, 1):
        return "unknown", 0
    e: dict[str, Any] = node.election(name)
    return e["role"], e["token"] or 0


def put(endpoint: str, key: bytes, value: bytes, lease: int = 0) -> None:
    """A value into etcd, bytes as they are: over the HTTP gateway."""
    import base64
    import http.client

    host, _, port = endpoint.removeprefix("http://").partition(":")
    body = {"key": base64.b64encode(key).decode(), "value": base64.b64encode(value).decode(), "lease": lease}
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request("POST", "/v3/kv/put", json.dumps(body))
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    finally:
        connection.close()


def readable(path: Path) -> bytes:
    """A file's content; nothing when it is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
