"""``instances: 4``: one declaration that stands for several processes.

Promises: NAME becomes NAME-1 to NAME-4, each like a process written out by hand: ``{instance}`` in any value of it is its
number, and a need of NAME is a need of all of them. So everything else of the supervisor knows processes only, and a
reload that changes the number starts or stops the difference.
Does not: judge ``instances`` itself (a number that is none is left for the schema), or touch a process without it: there
``{instance}`` is a text like any other.
"""

from collections.abc import Mapping
from dataclasses import replace

from supervisor.config import birth_values
from supervisor.config.problems import Problems, Refused
from supervisor.config.tree import Entry, ListNode, MapNode, Node, Scalar, child, entries, text
from supervisor.config.units import shown

KEY = "instances"
PLACEHOLDER = "{instance}"
MAX_PROCESSES = 10_000
"""In a file, instances written out."""


def multiply(root: MapNode, problems: Problems) -> MapNode:
    """The file with every process written out."""
    left = [MAX_PROCESSES]
    changed = dict(root.entries)
    if (always := root.entries.get("processes")) is not None:
        changed["processes"] = _processes(always, left, problems)
    if (elections := root.entries.get("elections")) is not None and isinstance(elections.node, MapNode):
        found = {name: _election(entry, left, problems) for name, entry in elections.node.entries.items()}
        changed["elections"] = replace(elections, node=replace(elections.node, entries=found))
    return replace(root, entries=changed)


def _election(election: Entry, left: list[int], problems: Problems) -> Entry:
    if not isinstance(election.node, MapNode):
        return election
    changed = dict(election.node.entries)
    for role in ("leader", "follower"):
        section = changed.get(role)
        if section is None or not isinstance(section.node, MapNode):
            continue
        processes = section.node.entries.get("processes")
        if processes is not None:
            written_out = {**section.node.entries, "processes": _processes(processes, left, problems)}
            changed[role] = replace(section, node=replace(section.node, entries=written_out))
    return replace(election, node=replace(election.node, entries=changed))


def _processes(processes: Entry, left: list[int], problems: Problems) -> Entry:
    declared = entries(processes.node)
    counts = {name: count for name, entry in declared.items() if (count := _count(entry.node)) is not None}
    if not any(child(entry.node, KEY) for entry in declared.values()):
        return processes
    left[0] -= sum(counts.values())
    if left[0] < 0:
        problems.add(processes.key, f"the instances are more than {MAX_PROCESSES} processes", "ask for fewer")
        return processes
    written_out: dict[str, Entry] = {}
    for name, entry in declared.items():
        for numbered, one in _instances(name, entry, counts.get(name)).items():
            if numbered in written_out or (numbered != name and numbered in declared):
                message = f"{shown(numbered)} is declared, and the instances of {shown(name)} make one of that name"
                problems.add(entry.key, message, "give one of the two another name")
            else:
                written_out[numbered] = one
    for name, entry in written_out.items():
        written_out[name] = replace(entry, node=_with_needs(entry.node, counts))
    assert isinstance(processes.node, MapNode)
    return replace(processes, node=replace(processes.node, entries=written_out))


def _count(process: Node) -> int | None:
    written = text(child(process, KEY))
    try:
        return None if written is None else birth_values.instances(written)
    except Refused:
        return None


def _instances(name: str, entry: Entry, count: int | None) -> dict[str, Entry]:
    if count is None:
        # Not said, or said badly: then the number is the one problem, not what became of the placeholder, too.
        said = child(entry.node, KEY) is not None
        return {name: replace(entry, node=_numbered(entry.node, "1")) if said else entry}
    assert isinstance(entry.node, MapNode)
    node = replace(entry.node, entries={key: e for key, e in entry.node.entries.items() if key != KEY})
    # A place of its own for each: whoever compares two processes must not take them for one.
    return {
        f"{name}-{number}": Entry(key=replace(entry.key), node=_numbered(node, str(number)))
        for number in range(1, count + 1)
    }


def _numbered(node: Node, number: str) -> Node:
    """Parts without the placeholder stay shared."""
    if isinstance(node, Scalar):
        return replace(node, text=node.text.replace(PLACEHOLDER, number)) if PLACEHOLDER in node.text else node
    if isinstance(node, ListNode):
        items = tuple(_numbered(item, number) for item in node.items)
        return node if all(a is b for a, b in zip(items, node.items, strict=True)) else replace(node, items=items)
    found = {key: replace(e, node=_numbered(e.node, number)) for key, e in node.entries.items()}
    same = all(found[key].node is e.node for key, e in node.entries.items())
    return node if same else replace(node, entries=found)


def _with_needs(process: Node, counts: Mapping[str, int]) -> Node:
    """``needs: [NAME]`` and ``needs: {NAME: condition}`` alike."""
    needs = child(process, "needs")
    if not isinstance(process, MapNode) or needs is None or isinstance(needs, Scalar):
        return process
    written_out: Node
    if isinstance(needs, MapNode):
        each = {one: entry for name, entry in needs.entries.items() for one in _names(name, counts)}
        written_out = replace(needs, entries=each)
    else:
        items = [
            one
            for item in needs.items
            for one in (
                [replace(item, text=n) for n in _names(item.text, counts)] if isinstance(item, Scalar) else [item]
            )
        ]
        written_out = replace(needs, items=tuple(items))
    entry = replace(process.entries["needs"], node=written_out)
    return replace(process, entries={**process.entries, "needs": entry})


def _names(name: str, counts: Mapping[str, int]) -> list[str]:
    return [f"{name}-{number}" for number in range(1, counts[name] + 1)] if name in counts else [name]
