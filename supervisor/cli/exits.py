"""The exit codes, in one place: they are public. 64 and up are sysexits.h's; 1, 3 and 4 are a service's, as in LSB; 2 is ``doctor``'s."""

from typing import Final

OK: Final = 0
"""What was asked for is so."""
DEGRADED: Final = 1
"""``status``: it runs, but not everything is as it should be. ``doctor``: there are warnings."""
NOT_ME: Final = 1
"""``leader --is-me``: somebody else leads, or nobody."""
CHANGES: Final = 2
"""``plan``: the file is good, and adopting it would change something."""
UNFIT: Final = 2
"""``doctor``: there is a problem."""
NOT_RUNNING: Final = 3
"""No daemon runs, or none that this user may ask."""
UNKNOWN: Final = 4
"""It runs, perhaps, but does not answer; or it cannot tell."""
USAGE: Final = 64
"""No such verb, option or argument."""
ETCD_UNREACHABLE: Final = 69
"""A verb that asks etcd itself got no answer."""
INTERNAL: Final = 70
"""A mistake of ours, or an answer of another version; for the daemon, its guardian died."""
TIMED_OUT: Final = 75
"""Not in time, or not held: what was asked for is not so (yet)."""
NOT_PERMITTED: Final = 77
"""This user may not do that."""
BAD_CONFIGURATION: Final = 78
"""The file is not good; every problem is told."""
INTERRUPTED: Final = 130
"""By Ctrl-C, as shells have it."""


class Failure(Exception):  # noqa: N818 # not an error of ours: what to tell the user, and the exit code
    """Ends a verb with one message on stderr."""

    def __init__(self, message: str, code: int) -> None:
        self.message = message
        self.code = code
        super().__init__(message)
