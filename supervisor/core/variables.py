"""SUPERVISOR_* of a child: what its environment says about whom and when it runs for.

Promises: the same for the same state; a stranger's words (another's name) are made harmless and bounded. Does not: know the
rest of the environment (``processes.environment`` does).
"""

from functools import lru_cache

from supervisor.core import document
from supervisor.core.draft import Draft
from supervisor.core.names import Term, candidate_key
from supervisor.core.spec import ProcessSpec

MOST_LEADER_CHARACTERS = 256
"""Of another's words in a child's environment."""


def of_run(draft: Draft, spec: ProcessSpec, term: Term | None) -> tuple[tuple[str, str], ...]:
    """SUPERVISOR_* of a child: who it is, and in which term."""
    base = draft.base
    pairs = [
        _one(("SUPERVISOR_NODE", str(base.node))),
        _one(("SUPERVISOR_ROLE", spec.role.value)),
        ("SUPERVISOR_PROCESS", str(spec.id.name)),
    ]
    e = draft.elections.get(spec.id.election)
    if e is not None:
        pairs.append(("SUPERVISOR_ELECTION", str(e.spec.name)))
    if e is not None and term is not None and e.lease is not None and base.store.connected is not None:
        key = candidate_key(base.store.connected.namespace, e.spec.name, e.lease)
        pairs += [
            ("SUPERVISOR_FENCING_TOKEN", str(term.token)),
            ("SUPERVISOR_TERM", str(term)),
            ("SUPERVISOR_ELECTION_KEY", key),
            ("SUPERVISOR_LEASE_ID", f"{e.lease:x}"),
        ]
    elif e is not None and e.leader is not None:
        pairs.append(("SUPERVISOR_LEADER", _harmless(document.node_of(e.leader.value) or e.leader.key)))
    return tuple(pairs)


@lru_cache(maxsize=100)
def _one(pair: tuple[str, str]) -> tuple[str, str]:
    """One object for what every child of a node is told: hundreds are remembered with their runs."""
    return pair


def _harmless(text: str) -> str:
    """A stranger's text as one an environment can hold: no NUL, line end or half surrogate, and not endless."""
    cut = text if len(text) <= MOST_LEADER_CHARACTERS else text[: MOST_LEADER_CHARACTERS - 1] + "\u2026"
    return "".join(c if c.isprintable() else "\ufffd" for c in cut)
