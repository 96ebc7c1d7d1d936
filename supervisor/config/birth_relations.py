"""What the values of what a child is born with mean together.

Promises, and does not: as ``relations``, which calls this.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath

from supervisor.config import birth_values, values
from supervisor.config.problems import Place, Problems, Refused
from supervisor.config.tree import Entry, MapNode, Node, Scalar, child, directory_of, entries, text
from supervisor.config.units import shown
from supervisor.core.birth import SocketSpec

HIDDEN_BY_PRIVATE_TMP = ("/tmp", "/var/tmp")  # noqa: S108 # whose names these are


def check(process: Node, problems: Problems) -> None:
    """One process."""
    given = entries(process)
    if (capabilities := given.get("capabilities")) is not None:
        _check_capabilities(capabilities, problems)
    if (cgroup := given.get("cgroup")) is not None:
        _check_cgroup(cgroup, problems)
    directory = text(child(process, "directory"))
    if directory and _switched_on(child(process, "private_tmp")):
        path = PurePosixPath(directory_of(process.place.file) / directory)
        for hidden in HIDDEN_BY_PRIVATE_TMP:
            if path.is_relative_to(hidden):
                message = f"private_tmp puts an empty {hidden} before the directory {shown(str(path))}"
                problems.add(given["directory"].node.place, message, "use another directory, or leave private_tmp out")


def _check_capabilities(entry: Entry, problems: Problems) -> None:
    given = entries(entry.node)
    if "keep" in given and "drop" in given:
        problems.add(given["drop"].key, "capabilities: 'drop' beside 'keep'", "keep one: what is not kept is dropped")
    elif "keep" not in given and "drop" not in given and not isinstance(entry.node, Scalar):
        problems.add(entry.key, "capabilities: neither 'keep' nor 'drop' is given", "write keep: [...] or drop: [...]")
    elif isinstance(entry.node, Scalar) and text(entry.node) is None:
        problems.add(entry.key, "capabilities: nothing is written here", "write keep: [...] or drop: [...]")


def _check_cgroup(entry: Entry, problems: Problems) -> None:
    given = entries(entry.node)
    if not isinstance(entry.node, MapNode):
        return
    if not set(given) - {"best_effort"}:
        problems.add(entry.key, "cgroup: no limit is given", "write memory:, cpu:, pids: or another, or remove it")
    most, high = (_bytes(child(entry.node, key)) for key in ("memory", "memory_high"))
    if most is not None and high is not None and 0 <= most < high:
        message = "cgroup: 'memory_high' is above 'memory', which would be reached first"
        problems.add(given["memory_high"].node.place, message, "write a smaller memory_high, such as nine tenths of it")


def check_sockets(processes: Iterable[tuple[str, str, Entry]], problems: Problems) -> None:
    """No two processes that may run beside each other listen on one address: election, role and process each."""
    seen: dict[tuple[str, str, int], list[tuple[str, str, bool, Place]]] = {}
    for election, role, process in processes:
        for name, entry in entries(child(process.node, "sockets")).items():
            spec, shared = _socket(entry.node)
            if spec is None:
                continue
            address = (spec.path, spec.host, spec.port)
            others = seen.setdefault(address, [])
            for other_election, other_role, other_shared, place in others:
                never_beside = election and election == other_election and role != other_role
                if never_beside or (shared and other_shared):
                    continue
                where = "another instance of it does" if place == entry.key else f"the socket at {place} does"
                message = f"sockets: {shown(name)} listens where {where}"
                remedy = "give it {instance} in its address" if place == entry.key else "give each its own address"
                problems.add(entry.key, message, f"{remedy}, or set reuse_port: on for both")
                break
            others.append((election, role, shared, entry.key))


def _socket(node: Node) -> tuple[SocketSpec | None, bool]:
    written = text(node) if isinstance(node, Scalar) else text(child(node, "listen"))
    try:
        spec = None if written is None else birth_values.socket_address(written)
    except Refused:
        spec = None  # the schema reports it
    return spec, _switched_on(child(node, "reuse_port"))


def _switched_on(node: Node | None) -> bool:
    written = text(node)
    try:
        return written is not None and values.switch(written)
    except Refused:
        return False


def _bytes(node: Node | None) -> int | None:
    written = text(node)
    try:
        return None if written is None else birth_values.memory(written)
    except Refused:
        return None
