"""The kinds of value that keys all over the file take: texts, names, paths, durations, commands.

Promises, and does not: as ``schema``, which takes them over.
"""

from enum import StrEnum
from typing import Annotated

from supervisor.config import units, values
from supervisor.config.problems import Refused
from supervisor.config.shape import Before, OrNothing, Whole, key_of, leaf, single
from supervisor.config.tree import Empty, Kind, Leaf
from supervisor.core.birth import Scheduling
from supervisor.core.spec import (
    CampaignWay,
    CampaignWhen,
    GiveUp,
    ProcessKind,
    ReloadPolicy,
    RestartPolicy,
    StopTo,
    SyslogFormat,
    UnhealthyAction,
)


class UnlistedNodes(StrEnum):
    """What a node does that a file with ``nodes`` does not list."""

    RUN = "run"
    REFUSE = "refuse"


Words = (
    CampaignWay | CampaignWhen | GiveUp | ProcessKind | ReloadPolicy | RestartPolicy | Scheduling | StopTo | SyslogFormat
    | UnhealthyAction | UnlistedNodes
)  # fmt: skip


def one_of(enum: type[Words]) -> Whole:
    """One of an enumeration's words."""
    return single(lambda text: enum(values.choice(text, [str(member) for member in enum])), enum)


def some_time(text: str) -> float:
    """A duration above 0."""
    if (seconds := units.duration_seconds(text)) <= 0:
        raise Refused(f"{text} is no time at all", "write a duration above 0, such as 500ms")
    return seconds


def some_or_no_time(text: str) -> float:
    """A duration, 0s included."""
    return units.duration_seconds(text)


def count(text: str) -> int:
    """A whole number from 1 on."""
    return values.whole_number(text, least=1)


def words(value: object) -> object:
    """A command in one text becomes its words; a list is one already."""
    if not isinstance(value, list):
        text = leaf(value)
        value = [Leaf(word, Kind.TEXT, text.directory) for word in values.words(text)]
    if not value or (isinstance(value[0], Leaf) and not value[0].strip()):
        raise Refused("the command is empty", "write the program and its arguments: [program, argument]")
    if isinstance(value[0], Leaf) and value[0].startswith("~"):
        values.path(value[0])
    return value


def one_or_more(value: object) -> object:
    """One value where a list is expected is a list of one."""
    return value if isinstance(value, list) else [leaf(value)]


def hook(value: object) -> object:
    """A hook may be nothing but its command."""
    return value if isinstance(value, dict | Empty) else {"command": value}


Text = Annotated[str, single(str)]
Name = Annotated[str, single(values.name)]
Path = Annotated[str, single(values.path)]
EnvironmentFile = Annotated[str, single(values.environment_file)]
Switch = Annotated[bool, single(values.switch)]
Seconds = Annotated[float, single(some_time)]
SecondsOrNone = Annotated[float, single(some_or_no_time)]
Count = Annotated[int, single(count)]
User = Annotated[str, single(values.user)]
Umask = Annotated[int, single(values.umask)]
Word = Annotated[Leaf, Whole(leaf)]
Command = Annotated[list[Word], Before(words)]
NameKey = Annotated[str, key_of(values.name)]
Environment = Annotated[dict[Annotated[str, key_of(values.variable_name)], Text], OrNothing]
