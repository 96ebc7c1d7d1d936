"""Which key does what: every deed there is, in the order of the footer and the help.

Upper-case keys are for an election, the node or the fleet, lower-case ones for a process. Another deed is another row.
"""

from typing import Final

from supervisor.cli.live.deeds import PROCESS_DEEDS, RESIGN, Deed, Subject, has_subject
from supervisor.cli.live.moves import ELECTION_MOVES, NODE_MOVES

DEEDS: Final[tuple[Deed, ...]] = (RESIGN, *ELECTION_MOVES, *NODE_MOVES, *PROCESS_DEEDS)
KEYS: Final = tuple(dict.fromkeys(deed.key for deed in DEEDS))


def deed_for(key: str, subject: Subject) -> Deed | None:
    """What a key means for what is selected: of two deeds with one key, that which applies."""
    of_key = [deed for deed in DEEDS if deed.key == key]
    present = [deed for deed in of_key if has_subject(deed, subject) and deed.applies(subject)]
    return next(iter(present or of_key), None)


def offered(subject: Subject) -> tuple[Deed, ...]:
    """One deed for each key."""
    found = (deed_for(key, subject) for key in KEYS)
    return tuple(deed for deed in found if deed is not None)
