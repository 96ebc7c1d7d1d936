"""``nodes``: what differs on a node, so that one file serves a fleet.

Promises: the overlay of a node is merged into the file before anything else is judged, so that what comes of it is like a
file written for that node alone: mappings key by key, lists and single values as a whole, ``~`` removes a key that is
there. Every value keeps the place it was written at. Of the overlays of other nodes only names and keys are looked at:
what they ask for is their own machines' to judge.
Does not: read anything, or expand variables (``load`` does, of the one overlay that counts).
"""

from collections.abc import Mapping
from dataclasses import replace

from supervisor.config import values
from supervisor.config.problems import Problems, Refused
from supervisor.config.tree import Entry, Kind, MapNode, Node, Scalar, child, entries, text
from supervisor.config.units import shown

KEY = "nodes"
UNLISTED = "unlisted_nodes"
OVERLAID = ("etcd", "elections", "processes")
"""What may differ by node."""
_OF_THE_FILE = ("node", KEY, UNLISTED, "include")


def listed(root: MapNode, problems: Problems) -> Mapping[str, Entry]:
    """Every node of the file with its overlay; what is none is reported."""
    nodes = child(root, KEY)
    if nodes is not None and not isinstance(nodes, MapNode):
        if not _is_empty(nodes):
            problems.add(
                nodes.place, f"{KEY}: names are expected here", "write 'nodes:' and the name of a node under it"
            )
        return {}
    found = entries(nodes)
    for name, entry in found.items():
        try:
            values.name(name)
        except Refused as e:
            problems.add(entry.key, f"{KEY}: {e.message}", e.remedy)
        _check_overlay(name, entry.node, problems)
    return found


def _check_overlay(name: str, overlay: Node, problems: Problems) -> None:
    if not isinstance(overlay, MapNode):
        if not _is_empty(overlay):
            remedy = f"write keys under it: {', '.join(OVERLAID)}"
            problems.add(overlay.place, f"{shown(name)[1:-1]}: a mapping is expected here", remedy)
        elif _removes(overlay):
            remedy = "leave the node out to have it run the file as it is; 'unlisted_nodes: refuse' keeps others away"
            problems.add(overlay.place, f"{shown(name)[1:-1]}: a node cannot be removed", remedy)
        return
    for key, entry in overlay.entries.items():
        if key in _OF_THE_FILE:
            problems.add(
                entry.key, f"{key!r} cannot differ by node", "write it at the top of the file, or leave it out"
            )
        elif key not in OVERLAID:
            problems.add(entry.key, f"unknown key {shown(key)}", values.suggestion(key, OVERLAID))


def check_listed(root: MapNode, name: str, problems: Problems) -> None:
    """With ``unlisted_nodes: refuse`` a node must have its place under ``nodes``; it may be empty."""
    refuse = child(root, UNLISTED)
    nodes = root.entries.get(KEY)
    known = [*entries(child(root, KEY))]
    if refuse is None or text(refuse) != "refuse" or name in known:
        return
    place = nodes.key if nodes is not None else refuse.place
    near = values.suggestion(name, known) if known else "list the nodes under 'nodes:'"
    message = f"the node {shown(name)} is not listed here, and {UNLISTED} is refuse"
    problems.add(place, message, f"add '{name}:' under 'nodes:', or correct the node's name: {near}")


def apply(root: MapNode, overlay: Node | None, problems: Problems) -> MapNode:
    """The file as it is for one node: without ``nodes``, the node's overlay merged into it."""
    base = replace(root, entries={key: entry for key, entry in root.entries.items() if key != KEY})
    if not isinstance(overlay, MapNode):
        return base
    known = replace(overlay, entries={key: e for key, e in overlay.entries.items() if key in OVERLAID})
    return _merged(base, known, problems)


def _merged(base: MapNode, over: MapNode, problems: Problems) -> MapNode:
    found = dict(base.entries)
    place = base.place
    for key, entry in over.entries.items():
        before = found.get(key)
        if _removes(entry.node):
            if before is None:
                near = values.suggestion(key, base.entries) if base.entries else "remove it"
                problems.add(entry.key, f"there is no {shown(key)} to remove in the file without this", near)
            else:
                del found[key]
                place = over.place  # what is missing now is missing because of the overlay
        elif before is None or not isinstance(before.node, MapNode):
            found[key] = replace(entry, node=_added(entry.node, problems))
            problems.overlaid.add(id(found[key].node))
        elif isinstance(entry.node, MapNode):
            merged = _merged(before.node, entry.node, problems)
            key_place = before.key if merged.place is before.node.place else entry.key
            found[key] = Entry(key=key_place, node=merged)
        elif not _is_empty(entry.node):  # a key of which nothing is left but its name asks for nothing
            found[key] = entry
            problems.overlaid.add(id(entry.node))
    return MapNode(place=place, entries=found)


def _added(node: Node, problems: Problems) -> Node:
    """What the overlay brings and the file has not: there is nothing in it to remove."""
    return _merged(MapNode(place=node.place, entries={}), node, problems) if isinstance(node, MapNode) else node


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind is Kind.EMPTY


def _removes(node: Node) -> bool:
    """``~`` or ``null`` was written, not just nothing: commenting out what stands under a key must remove nothing."""
    return isinstance(node, Scalar) and node.kind is Kind.EMPTY and node.text != ""
