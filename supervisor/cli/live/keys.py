"""Which key does what: every deed there is, in the order of the footer and the help."""

from typing import Final

from supervisor.cli.live.deeds import PROCESS_DEEDS, RESIGN, Deed, Subject, has_subject

DEEDS: Final[tuple[Deed, ...]] = (RESIGN, *PROCESS_DEEDS)


def deed_for(key: str, subject: Subject) -> Deed | None:
    """What a key means for what is selected: of two deeds with one key, that which applies."""
    of_key = [deed for deed in DEEDS if deed.key == key]
    present = [deed for deed in of_key if has_subject(deed, subject) and deed.applies(subject)]
    return next(iter(present or of_key), None)


def targets(subject: Subject) -> tuple[tuple[str, str, str], ...]:
    """Whom the election could be handed over to: the node, how it is shown, and why it cannot be (empty: it can)."""
    return ()
