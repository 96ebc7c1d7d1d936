"""What values of the file mean together: what no value shows by itself.

Promises: works on the tree alone, so that it reports its problems beside those of the schema, not after them; what is
malformed is passed over here, since the schema reports it. Does not: build anything.
"""

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from supervisor.config import (
    birth_relations,
    control_schema,
    life_relations,
    log_relations,
    probe_relations,
    units,
    values,
)
from supervisor.config.problems import Place, Problems, Refused
from supervisor.config.tree import (
    Entry,
    Kind,
    Leaf,
    ListNode,
    MapNode,
    Node,
    Scalar,
    child,
    directory_of,
    entries,
    items,
    text,
    walk,
)
from supervisor.config.units import shown
from supervisor.core import timing
from supervisor.core.names import ElectionName
from supervisor.core.spec import ElectionSpec

T = TypeVar("T")

MAX_VALUE_BYTES = 2048
"""Of ``proclaim.value`` as JSON: the whole document stays under 4 KiB."""
MAX_CYCLES = 10


def check(root: MapNode, problems: Problems, *, complete: bool) -> None:
    """Report everything that is wrong between the values of a file. Not ``complete``: an include could not be read."""
    elections = entries(child(root, "elections"))
    processes = entries(child(root, "processes"))
    if complete and not elections and not processes:
        problems.add(root.place, "there is nothing to run", "declare at least one election or process")
    _check_etcd(child(root, "etcd"), problems)
    control_schema.check(child(root, "control"), problems)
    for name, election in elections.items():
        _check_budget(name, election, problems)
        _check_value(child(election.node, "proclaim", "value"), problems)
        _check_roles(name, election.node, problems)
        _check_hooks(election.node, problems)
    _check_needs(processes, {}, problems)
    every = [*processes.values()]
    beside = [("", "", process) for process in every]
    for name, election in elections.items():
        for role in ("leader", "follower"):
            found = entries(child(election.node, role, "processes")).values()
            every += found
            beside += [(name, role, process) for process in found]
    for process in every:
        _check_process(process.node, problems)
        birth_relations.check(process.node, problems)
        life_relations.check(process, problems)
    birth_relations.check_sockets(beside, problems)
    log_relations.check(every, problems)


def _accepted(parse: Callable[[str], T], node: Node | None) -> T | None:
    """What the node's text means; None when there is no text or the schema refuses it."""
    written = text(node)
    if written is None:
        return None
    try:
        return parse(written)
    except Refused:
        return None


# --- etcd ------------------------------------------------------------------------------------------------------------


def _check_etcd(etcd: Node | None, problems: Problems) -> None:
    if not isinstance(etcd, MapNode):
        return
    endpoints = [(node, _accepted(values.endpoint, node)) for node in items(child(etcd, "endpoints"))]
    seen: dict[str, Place] = {}
    for node, url in endpoints:
        if url is not None and (first := seen.setdefault(url, node.place)) is not node.place:
            problems.add(node.place, f"the endpoint {url} is given twice, first at {first}", "keep one of the two")
    schemes = {url.partition(":")[0]: node for node, url in endpoints if url is not None}
    secured = {scheme in ("https", "unixs"): node for scheme, node in schemes.items()}
    if len(secured) > 1:
        last = max(secured.values(), key=lambda node: (node.place.line, node.place.column))
        problems.add(last.place, "some endpoints are http and some are https", "use one scheme for all of them")
    _check_tls(etcd, {*schemes}, problems)
    _check_discovery(etcd, problems)
    if "endpoints" not in etcd.entries and "discovery_srv" not in etcd.entries:
        for key in ("tls", "auth"):
            if key in etcd.entries:
                where = etcd.entries[key].key
                problems.add(
                    where, f"'{key}' without endpoints: the local etcd uses none", "add 'endpoints:', or remove it"
                )


def _check_discovery(etcd: MapNode, problems: Problems) -> None:
    """SRV records and endpoints are two answers to one question."""
    found, suffix = etcd.entries.get("discovery_srv"), etcd.entries.get("discovery_srv_name")
    if found is not None and "endpoints" in etcd.entries:
        problems.add(found.key, "'discovery_srv' beside 'endpoints'", "keep one: both say where etcd is")
    if found is None and suffix is not None:
        problems.add(suffix.key, "'discovery_srv_name' without 'discovery_srv'", "add 'discovery_srv: DOMAIN'")


def _check_tls(etcd: MapNode, schemes: set[str], problems: Problems) -> None:
    tls = etcd.entries.get("tls")
    if tls is not None:
        if schemes and not schemes & {"https", "unixs"}:
            remedy = "write https:// (or unixs://) before each endpoint"
            problems.add(tls.key, f"'tls' is given, but the endpoints are {' and '.join(sorted(schemes))}", remedy)
        given = entries(tls.node)
        for one, other in (("cert", "key"), ("key", "cert")):
            if one in given and other not in given:
                problems.add(
                    given[one].key, f"'{one}' without '{other}'", f"add '{other}:': a client certificate needs both"
                )
        for key in ("ca", "cert", "key"):
            _check_file(child(tls.node, key), problems)
    _check_file(child(etcd, "auth", "password_file"), problems)


def _check_file(node: Node | None, problems: Problems) -> None:
    """A file that every connection needs, and that is not there."""
    written = text(node)
    if not written or node is None or written.startswith("~") or not problems.here:
        return
    path = directory_of(node.place.file) / written
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        problems.add(node.place, f"{_path(path)} does not exist", "create it, or correct the path")
    except OSError:
        return  # nobody may look there but the one who will run with this file
    else:
        if not is_file:
            problems.add(node.place, f"{_path(path)} is not a file", "correct the path")


# --- elections -------------------------------------------------------------------------------------------------------


def _check_budget(name: str, election: Entry, problems: Problems) -> None:
    times = {key: child(election.node, key) for key in ("ttl", "lost_grace", "safety_margin")}
    ttl = _accepted(values.ttl_seconds, times["ttl"])
    grace = _accepted(units.duration_seconds, times["lost_grace"])
    margin = _accepted(units.duration_seconds, times["safety_margin"])
    known = {"ttl": ttl, "lost_grace": grace, "safety_margin": margin}
    if any(times[key] is not None and known[key] is None for key in times) or margin == 0:
        return
    spec = ElectionSpec(name=ElectionName(name), lost_grace_seconds=grace, safety_margin_seconds=margin)
    if ttl is not None:
        spec = ElectionSpec(name=spec.name, ttl_seconds=ttl, lost_grace_seconds=grace, safety_margin_seconds=margin)
    budget = timing.budget(spec)
    if budget.problem is not None and budget.remedy is not None:
        if margin is not None and margin < timing.SHORTEST_SAFETY_MARGIN_SECONDS:
            times = {"safety_margin": times["safety_margin"]}
        given = [node for node in times.values() if node is not None]
        first = next(iter(given), election.node)
        where = next((node for node in given if id(node) in problems.overlaid), first)
        problems.add(where.place, f"{shown(name)[1:-1]}: {budget.problem}", budget.remedy)


def _check_value(value: Node | None, problems: Problems) -> None:
    if not isinstance(value, MapNode):
        return
    clean = True
    for node in walk(value):
        if isinstance(node, Scalar) and node.kind is not Kind.EMPTY:
            try:
                values.json_scalar(Leaf(node.text, node.kind, Path()))
            except Refused as e:
                clean = False
                problems.add(node.place, e.message, e.remedy)
    if (
        clean
        and (size := len(json.dumps(_json(value), ensure_ascii=False, separators=(",", ":")).encode()))
        > MAX_VALUE_BYTES
    ):
        problems.add(
            value.place,
            f"the proclaimed value is {size} bytes of JSON, more than {MAX_VALUE_BYTES}",
            "proclaim where the rest can be fetched instead",
        )


def _json(node: Node) -> object:
    if isinstance(node, MapNode):
        return {key: _json(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [_json(item) for item in node.items]
    return None if node.kind is Kind.EMPTY else values.json_scalar(Leaf(node.text, node.kind, Path()))


def _check_roles(election: str, node: Node, problems: Problems) -> None:
    leader = entries(child(node, "leader", "processes"))
    follower = entries(child(node, "follower", "processes"))
    for name, entry in follower.items():
        if name in leader:
            problems.add(
                entry.key,
                f"the process {shown(name)} is declared twice in {shown(election)}, first at {leader[name].key}",
                "give one of the two another name",
            )
    _check_needs(leader, dict.fromkeys(follower, "follower"), problems)
    _check_needs(follower, dict.fromkeys(leader, "leader"), problems)


def _check_hooks(election: Node, problems: Problems) -> None:
    for role in ("leader", "follower"):
        for hook in entries(child(election, role, "hooks")).values():
            mapping = isinstance(hook.node, MapNode)
            command = child(hook.node, "command") if mapping else hook.node
            _check_program(command, text(child(hook.node, "directory")) or "", problems)


# --- processes -------------------------------------------------------------------------------------------------------


def _check_needs(processes: Mapping[str, Entry], elsewhere: Mapping[str, str], problems: Problems) -> None:
    """Each need names a process of the same role and asks what it can give, and following needs never leads back."""
    needs: dict[str, dict[str, Place]] = {}
    for name, entry in processes.items():
        needs[name] = {}
        for needed, place, condition in life_relations.needs_of(entry.node, problems):
            if problems.full:
                return
            if needed in processes:
                needs[name].setdefault(needed, place)
                life_relations.check_need(processes[needed], condition, problems)
            elif needed in elsewhere:
                message = f"{shown(needed)} is a {elsewhere[needed]} process: it does not run beside this one"
                problems.add(place, message, "a process can need those of its own role only")
            else:
                others = [other for other in processes if other != name]
                remedy = values.suggestion(needed, others) if others else "remove it: there is no other process here"
                problems.add(place, f"needs: there is no process {shown(needed)} in this role", remedy)
    _check_cycles(needs, problems)


def _check_cycles(needs: Mapping[str, Mapping[str, Place]], problems: Problems) -> None:
    """Report the cycles, a few at most. Walks without recursion: a chain may be as long as the file."""
    done: set[str] = set()
    found = 0
    for start in needs:
        trail: dict[str, Iterator[str]] = {}
        stack = [start]
        while stack:
            name = stack[-1]
            following = next(trail.setdefault(name, iter(needs[name])), None)
            if following is None:
                done.add(stack.pop())
            elif following in trail and following not in done:
                way = " -> ".join(_shortened([*stack[stack.index(following) :], following]))
                problems.add(needs[name][following], f"needs go in a circle: {way}", "remove one of them")
                found += 1
                if found == MAX_CYCLES:
                    return
            elif following not in done:
                stack.append(following)


def _shortened(names: list[str]) -> list[str]:
    return names if len(names) <= 12 else [*names[:6], "...", *names[-5:]]


def _check_process(process: Node, problems: Problems) -> None:
    directory = text(child(process, "directory")) or ""
    _check_program(child(process, "command"), directory, problems)
    _check_program(child(process, "stop", "before"), directory, problems)
    for purpose in ("ready", "health"):
        probe = entries(process).get(purpose)
        if probe is not None and (isinstance(probe.node, MapNode) or _is_empty(probe.node)):
            probe_relations.check(purpose, probe, problems)
            _check_program(child(probe.node, "exec"), directory, problems)
            for kind in ("http", "grpc"):
                for key in ("ca", "cert", "key"):
                    _check_file(child(probe.node, kind, "tls", key), problems)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind is Kind.EMPTY


def _check_program(command: Node | None, directory: str, problems: Problems) -> None:
    """A program named by its path is looked at now; a bare name is looked up on PATH when the process starts."""
    if not problems.here:
        return
    where = items(command)[0] if items(command) else command
    split = _accepted(values.words, command) if isinstance(command, Scalar) else [text(where) or ""]
    if where is None or not split or "/" not in split[0] or split[0].startswith("~"):
        return
    program = values.program(split[0], directory, directory_of(where.place.file))
    try:
        mode = os.stat(program).st_mode  # noqa: PTH116 # one look, and the errors tell the rest
    except (FileNotFoundError, NotADirectoryError):
        problems.add(where.place, f"the program {_path(program)} does not exist", "install it, or correct the path")
    except OSError:
        return  # nobody may look there but the one who will run it
    else:
        if not stat.S_ISREG(mode):
            problems.add(where.place, f"{_path(program)} is not a program", "name the program itself")
        elif not mode & 0o111:
            problems.add(where.place, f"{_path(program)} is not executable", f"run: chmod +x {program}")


def _path(path: Path | str) -> str:
    return shown(str(path), most=300)
