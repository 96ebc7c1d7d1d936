"""What reading a file gave, as plain data that may travel between processes. Does not: read anything."""

from dataclasses import dataclass
from pathlib import Path

from supervisor.core.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A file that may be adopted."""

    spec: Spec
    source: str
    """The path as given and eight hexadecimal digits of the SHA-256 of everything read: for people."""
    files: tuple[Path, ...]
    """Absolute paths of every file read: a change of any may change the Spec."""
    directories: tuple[Path, ...]
    """Absolute paths of the directories that includes look in: a new file there may change it too."""
