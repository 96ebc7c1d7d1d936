"""The command, run as somebody else: root drops what it is when everything is loaded, so that no file need be readable."""

import subprocess
import sys
from pathlib import Path

_CODE = """
import os, sys
import supervisor.cli.main as m
import supervisor.cli.status, supervisor.cli.resign, supervisor.cli.sheet, supervisor.cli.render
group = int(sys.argv.pop(1))
os.setgroups([group]); os.setresgid(group, group, group); os.setresuid(65534, 65534, 65534)
sys.exit(m.run(sys.argv[1:]))
"""


def as_group(socket: Path, group: int, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command as nobody, in that group."""
    argv = [sys.executable, "-c", _CODE, str(group), *arguments, "--socket", str(socket)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr
