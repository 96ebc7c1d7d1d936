"""Begins the scratch daemon of a drill: it dies with the drill, and has a group id of its own where it is to be cut off.

Run by path: ``leash.py PARENT_PID GROUP_ID_OR_EMPTY COMMAND [ARGUMENT]...``, standard library only, and becomes the command by
exec. Promises: however the drill ends, the kernel sends SIGKILL to the command. Does not: start it when the drill is gone already.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_GONE, _NO_GROUP = 75, 77


def main() -> int:  # noqa: RET503 # exec does not return
    """Become the command; the exit code when that cannot be."""
    parent, group, *command = sys.argv[1:]
    if group:
        try:
            os.setgid(int(group))
        except OSError as error:
            print(f"group id {group}: {error.strerror}", file=sys.stderr)
            return _NO_GROUP
    # After setgid, which would take it back.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        return _GONE
    os.execv(command[0], command)  # noqa: S606 # the program is this one


if __name__ == "__main__":
    sys.exit(main())
