"""What a caller means: the names in a request, and its time limits.

Promises: a name that does not exist is NOT_FOUND, with the nearest that does. Does not: answer anything.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import grpc
from google.protobuf.message import Message

from supervisor.control.guard import LONGEST_WORD
from supervisor.core.names import ElectionName, ProcessId
from supervisor.core.state import Election, State

if TYPE_CHECKING:  # at run time the class takes no parameters
    Context: TypeAlias = grpc.aio.ServicerContext[Message, Message]

MOST_WAIT_SECONDS: Final = 86_400.0
MOST_NAMES: Final = 10_000
"""In one call: each is looked for while everything else waits."""
_NAMES_LISTED: Final = 12


async def named(names: Sequence[str], context: "Context") -> list[str]:
    """What a caller has listed, each once."""
    if len(names) > MOST_NAMES:
        text = f"{len(names)} names in one call, and it takes {MOST_NAMES}; name none for all"
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
    return list(dict.fromkeys(names))


async def election(state: State, name: str, context: "Context") -> Election:
    """The election of that name."""
    found = state.elections.get(ElectionName(name))
    if found is None:
        await context.abort(grpc.StatusCode.NOT_FOUND, _not_found("election", name, state.elections))
    return found


def names_process(state: State, name: str) -> bool:
    """Whether any process goes by that name."""
    return any(name in (str(pid), pid.name) for pid in state.processes)


async def process(state: State, name: str, context: "Context") -> ProcessId:
    """By its whole name, or by the last part when that is clear."""
    by_name = {str(pid): pid for pid in state.processes if not pid.is_hook}
    if name in by_name:
        return by_name[name]
    same = [pid for pid in state.processes if pid.name == name]
    if len(same) > 1:
        choices = ", ".join(sorted(map(str, same)))
        await context.abort(grpc.StatusCode.NOT_FOUND, f'more than one process is named "{name}": {choices}')
    if not same:
        await context.abort(grpc.StatusCode.NOT_FOUND, _not_found("process", name, by_name))
    return same[0]


def limited(seconds: float) -> float:
    """A caller's time limit as one we can keep: no less than nothing, no more than a day. NaN is nothing."""
    return min(max(0.0, seconds), MOST_WAIT_SECONDS)


def _not_found(kind: str, name: str, names: Iterable[str]) -> str:
    known = sorted(names)
    if len(name) > LONGEST_WORD:  # it would be compared with all others, letter by letter, while every renewal waits
        return f"no {kind} has a name of {len(name)} characters"
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f'no {kind} is named "{name}"; did you mean "{near[0]}"?'
    some = ", ".join(known[:_NAMES_LISTED]) + (", ..." if len(known) > _NAMES_LISTED else "")
    return f'no {kind} is named "{name}"; ' + (f"there are: {some}" if known else "there is none")
