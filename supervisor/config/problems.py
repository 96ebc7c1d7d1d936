"""What is wrong with a file, where, and what to do about it.

    ConfigError     the file as a whole is not adopted: carries every Problem       the user's to mend
    Refused         one value is not acceptable: becomes a Problem at its place     never leaves ``config``

Does not: know what is right; the other modules of ``config`` judge, and report here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A position in a file, counted from 1 as editors do."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        """``file:line:column``, which terminals and editors make a link of."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that keeps a file from being adopted."""

    file: str
    line: int
    column: int
    message: str
    remedy: str
    excerpt: str = ""
    """The line of the file, and a caret under the column."""

    def __str__(self) -> str:
        """``file:line:column: message; remedy``."""
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{text}; {self.remedy}" if self.remedy else text

    def shown(self) -> str:
        """The same, with the line of the file under it: for people, who look at several lines at once."""
        return f"{self}\n{self.excerpt}" if self.excerpt else str(self)


class ConfigError(Exception):
    """A file is not adopted. ``files`` are those that were read, or could not be: watch them for the correction."""

    def __init__(self, problems: Iterable[Problem], files: Iterable[Path] = ()) -> None:
        self.problems = tuple(problems)
        self.files = tuple(files)
        super().__init__("\n".join(map(str, self.problems)))


class Refused(ValueError):  # noqa: N818 # says what happened to a value; the error of the file is ConfigError
    """A value that cannot be used, and what to write instead."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}; {remedy}")


def _line(text: str) -> str:
    """One line that a terminal can show: values of the file are quoted in messages, and may hold anything."""
    return "".join(c if c.isprintable() else " " for c in text)


MAX_PROBLEMS = 500
"""More than anyone reads at once."""


@dataclass(slots=True)
class Problems:
    """Collects problems while a file is read, so that all are reported at once and each only once."""

    here: bool = True
    """Whether this machine is the one that will run it: else nobody looks for its programs and files here."""
    overlaid: set[int] = field(default_factory=set)
    """The values, by identity, that a node's overlay brought: what does not fit together is the overlay's doing."""
    _found: dict[Problem, None] = field(default_factory=dict)

    def add(self, place: Place, message: str, remedy: str) -> None:
        """Report a problem. The same words at the same place count once: aliases show one mistake many times."""
        problem = Problem(
            file=place.file, line=place.line, column=place.column, message=_line(message), remedy=_line(remedy)
        )
        if not self.full:
            self._found.setdefault(problem)

    @property
    def full(self) -> bool:
        """No further problem will be shown: looking for more is of no use."""
        return len(self._found) >= MAX_PROBLEMS

    def __bool__(self) -> bool:
        return bool(self._found)

    def by_place(self, files: Sequence[str]) -> tuple[Problem, ...]:
        """Every problem, file by file in the order in which ``files`` were read, then by line and column."""
        rank = {name: number for number, name in enumerate(files)}
        found = sorted(self._found, key=lambda p: (rank.get(p.file, len(rank)), p.line, p.column))
        if self.full:
            found.append(replace(found[-1], message="there may be more problems than these", remedy="mend these first"))
        return tuple(found)
