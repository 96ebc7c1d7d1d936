"""One more Python like this one, for a part of the program that is to have a process of its own.

Promises: the same interpreter with the same isolation, user site, bytecode and UTF-8 mode, so that what is importable
here is importable there; the working directory and the script's own never come before the installed packages (-P).
Does not: start it.
"""

import sys
from pathlib import Path


def command(script: Path) -> list[str]:
    """The beginning of its command line; append the script's arguments."""
    flags = sys.flags
    chosen = {
        "-I": flags.isolated,
        "-E": flags.ignore_environment and not flags.isolated,
        "-s": flags.no_user_site and not flags.isolated,
        "-B": sys.dont_write_bytecode,
    }
    return [sys.executable, "-P", *(f for f, on in chosen.items() if on), "-X", f"utf8={flags.utf8_mode}", str(script)]
