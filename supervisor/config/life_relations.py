"""What the values that govern a process's life mean together: kind, needs, restart, stop.

Promises: as ``relations``, of which this is a part: works on the tree, and passes over what the schema reports.
"""

from collections.abc import Iterator

from supervisor.config import values
from supervisor.config.problems import Place, Problems, Refused
from supervisor.config.tree import Entry, Leaf, ListNode, MapNode, Node, Scalar, child, entries, text
from supervisor.config.units import shown
from supervisor.core.spec import Need, ProcessKind, RestartPolicy

NOT_OF_A_TASK = {
    "ready": "a task is not ready, it completes: others wait for that",
    "health": "a task has no health, it completes or fails",
}


def check(process: Entry, problems: Problems) -> None:
    """Report what does not go together in one process."""
    keys = entries(process.node)
    task = text(child(process.node, "kind")) == ProcessKind.TASK
    for key, why in NOT_OF_A_TASK.items():
        if task and key in keys:
            problems.add(keys[key].key, f"'{key}' of a task: {why}", "remove it, or 'kind: task'")
    if not task and "timeout" in keys:
        remedy = "add 'kind: task', or use 'ready: {within: ...}' or 'stop: {timeout: ...}'"
        problems.add(keys["timeout"].key, "'timeout' of a service: it runs as long as its role is played", remedy)
    policy = child(process.node, "restart", "policy")
    if task and policy is not None and text(policy) == RestartPolicy.ALWAYS:
        remedy = f"write {RestartPolicy.ON_FAILURE.value} or {RestartPolicy.NEVER.value}"
        problems.add(policy.place, "a task that is always restarted never completes", remedy)
    _check_stop(child(process.node, "stop"), problems)


def _check_stop(stop: Node | None, problems: Problems) -> None:
    keys = entries(stop)
    if "signals" in keys:
        for key in ("signal", "timeout"):
            if key in keys:
                remedy = "keep 'signals', whose times add up to the timeout, or the other two"
                problems.add(keys[key].key, f"'{key}' beside 'signals'", remedy)
        node = keys["signals"].node
        if isinstance(node, ListNode) and not node.items:
            problems.add(node.place, "signals: there are none", "write [SIGINT 5s, SIGTERM 10s], or leave it out")
    if "before_timeout" in keys and "before" not in keys:
        problems.add(keys["before_timeout"].key, "'before_timeout' without 'before'", "add 'before: [command]'")


def needs(value: object) -> dict[str, Need]:
    """``[migrate]`` or ``{db: healthy}``; what is wrong inside, `relations` reports at its own place."""
    if isinstance(value, list):
        return {str(name): Need.READY for name in value if isinstance(name, Leaf)}
    if not isinstance(value, dict):
        what, remedy = (shown(value), f"write [{value}]") if isinstance(value, Leaf) else ("nothing", "write [name]")
        raise Refused(f"{what} stands where a list is expected", f"{remedy}, or a mapping: {{name: healthy}}")
    words = {need.value for need in Need}
    return {name: Need(need) for name, need in value.items() if isinstance(need, Leaf) and str(need) in words}


def needs_of(process: Node, problems: Problems) -> Iterator[tuple[str, Place, Node | None]]:
    """The processes that one needs: name, where it is written, and the condition if there is one."""
    needs = child(process, "needs")
    if isinstance(needs, MapNode):
        for name, entry in needs.entries.items():
            if _is_name(name, entry.key, problems):
                yield name, entry.key, entry.node
    elif isinstance(needs, ListNode):
        for node in needs.items:
            written = text(node)
            if written is None:
                what = "nothing" if isinstance(node, Scalar) else "more than a name"
                problems.add(node.place, f"needs: {what} stands where a name is expected", "write [name, name]")
            elif _is_name(written, node.place, problems):
                yield written, node.place, None


def check_need(needed: Entry, condition: Node | None, problems: Problems) -> None:
    """Report a condition that is none, or that the needed process can never meet."""
    if condition is None:
        return
    written = text(condition)
    words = [need.value for need in Need]
    if written is None or written not in words:
        found = "nothing" if written is None else shown(written)
        remedy = values.suggestion(written or "", words)
        problems.add(condition.place, f"needs: {found} is not one of {', '.join(words)}", remedy)
        return
    task = text(child(needed.node, "kind")) == ProcessKind.TASK
    policy = text(child(needed.node, "restart", "policy")) or RestartPolicy.ALWAYS.value
    if written == Need.HEALTHY and task:
        problems.add(condition.place, "needs: a task has no health", "write completed")
    elif written == Need.COMPLETED and not task and policy == RestartPolicy.ALWAYS:
        message = f"needs: it never completes: it is a service that is always restarted ({needed.key})"
        problems.add(condition.place, message, "give it 'kind: task', or write ready")


def _is_name(written: str, place: Place, problems: Problems) -> bool:
    try:
        values.name(written)
    except Refused as refused:
        problems.add(place, f"needs: {refused.message}", refused.remedy)
        return False
    return True
