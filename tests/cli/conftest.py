"""The command line's tests talk to a real control server."""

from tests.control.conftest import serve

__all__ = ["serve"]
