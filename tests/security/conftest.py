"""Daemons to attack: as the tests of the whole program have them."""

from tests.control.conftest import serve
from tests.system.conftest import node, text

__all__ = ["node", "serve", "text"]
