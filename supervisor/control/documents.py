"""Reading what stands in a candidate's key, whoever wrote it.

Promises: never raises, whatever the bytes: megabytes, other encodings, brackets without end, numbers no machine holds,
half surrogates. Every text it gives back can be written as UTF-8. Does not: judge whether a document tells the truth.
"""

import json
from dataclasses import dataclass
from typing import Final

SHOWN_CHARACTERS: Final = 4096
"""Of a value in the status: as long as a document of ours may be (``core.document.MAX_BYTES``)."""
MOST_BYTES: Final = 65_536
"""Longer ones are not read: none of ours is, and whoever asks for the status should not pay for a stranger's novel."""
WORD_CHARACTERS: Final = 100
"""Of a name or a word inside a document: longer ones are cut, they are not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The words of a document of ours, version 1; empty where it says none."""

    node: str
    state: str
    health: str
    since: str


def text(value: bytes, most_characters: int | None = None) -> str:
    """The value as text: what is no UTF-8 becomes U+FFFD; cut to ``most_characters``."""
    # Four bytes hold any character: no need to decode a megabyte in order to show a line of it.
    some = value if most_characters is None else value[: 4 * most_characters]
    return some.decode("utf-8", "replace")[:most_characters]


def parse(value: str | bytes) -> dict[str, object] | None:
    """The JSON object that a value holds; None when it holds anything else."""
    shown = value if isinstance(value, str) else text(value)
    if not shown.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(shown, parse_constant=_refuse)
        # What Python reads but JSON cannot say (1e999) is refused here; so is what it may not write (half surrogates).
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read(value: bytes) -> Document | None:
    """A document of ours, or None when the value is none: a foreign candidate's."""
    found = read_whole(value)
    return None if found is None else found[0]


def read_whole(value: bytes) -> tuple[Document, dict[str, object]] | None:
    """As ``read``, with every field that the document has, as JSON has it."""
    found = parse(value) if len(value) <= MOST_BYTES else None
    if found is None or not isinstance(found.get("node"), str) or not found["node"]:
        return None
    document = Document(
        node=_word(found.get("node")),
        state=_word(found.get("state")),
        health=_word(found.get("health")),
        since=_word(found.get("since")),
    )
    return document, found


def _word(value: object) -> str:
    return value[:WORD_CHARACTERS] if isinstance(value, str) else ""


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
