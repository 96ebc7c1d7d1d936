"""SUPERVISOR_* of a child: what its environment says about whom and when it runs for.

Promises: the same for the same state; a stranger's words (another's name) are made harmless and bounded. Does not: know the
rest of the environment (``processes.environment`` does).
"""

from supervisor.core import document
from supervisor.core.draft import Draft
from supervisor.core.names import Term, candidate_key
from supervisor.core.spec import ProcessSpec

MOST_LEADER_CHARACTERS = 256
"""Of another's words in a child's environment."""


def of_run(draft: Draft, spec: ProcessSpec, term: Term | None) -> tuple[tuple[str, str], ...]:
    """SUPERVISOR_* of a child: who it is, and in which term."""
    base = draft.base
    pairs = [("NODE", str(base.node)), ("ROLE", spec.role.value), ("PROCESS", str(spec.id.name))]
    e = draft.elections.get(spec.id.election)
    if e is not None:
        pairs.append(("ELECTION", str(e.spec.name)))
    if e is not None and term is not None and e.lease is not None and base.store.connected is not None:
        key = candidate_key(base.store.connected.namespace, e.spec.name, e.lease)
        pairs += [
            ("FENCING_TOKEN", str(term.token)),
            ("TERM", str(term)),
            ("ELECTION_KEY", key),
            ("LEASE_ID", f"{e.lease:x}"),
        ]
    elif e is not None and e.leader is not None:
        pairs.append(("LEADER", _harmless(document.node_of(e.leader.value) or e.leader.key)))
    return tuple((f"SUPERVISOR_{name}", value) for name, value in pairs)


def _harmless(text: str) -> str:
    """A stranger's text as one an environment can hold: no NUL, line end or half surrogate, and not endless."""
    cut = text if len(text) <= MOST_LEADER_CHARACTERS else text[: MOST_LEADER_CHARACTERS - 1] + "\u2026"
    return "".join(c if c.isprintable() else "\ufffd" for c in cut)
