"""What a whole stop may take by the file."""

from supervisor.core.names import ElectionName, NodeName, ProcessId, ProcessName, Role
from supervisor.core.spec import ElectionSpec, HookKind, HookSpec, Need, ProcessSpec, Spec, StopSpec
from supervisor.core.stop_budget import LAST_STEPS_SECONDS, stop_budget_seconds


def process(name: str, stop: StopSpec, *needs: str, election: str | None = None) -> ProcessSpec:
    role = Role.ALWAYS if election is None else Role.LEADER
    pid = ProcessId(ElectionName(election or ""), ProcessName(name))
    wanted = {ProcessName(other): Need.READY for other in needs}
    return ProcessSpec(id=pid, role=role, command=("x",), stop=stop, needs=wanted)


def named(*processes: ProcessSpec) -> dict[ProcessName, ProcessSpec]:
    return {p.id.name: p for p in processes}


def test_nothing_to_stop_leaves_the_last_steps() -> None:
    assert stop_budget_seconds(None) == LAST_STEPS_SECONDS
    assert stop_budget_seconds(Spec(node=NodeName("a"))) == LAST_STEPS_SECONDS


def test_those_that_need_each_other_add_up_and_others_do_not() -> None:
    one, two = StopSpec(timeout_seconds=10), StopSpec(timeout_seconds=20, before=("b",), before_timeout_seconds=5)
    chain = named(process("a", one), process("b", two, "a"), process("c", StopSpec(timeout_seconds=12)))
    spec = Spec(node=NodeName("a"), processes=chain)
    assert stop_budget_seconds(spec) == 10 + 20 + 5 + LAST_STEPS_SECONDS


def test_the_longest_election_counts_with_its_last_hook() -> None:
    leader = named(process("a", StopSpec(timeout_seconds=3), election="e"))
    command = process("@demoted", StopSpec(), election="e")
    hook = HookSpec(kind=HookKind.DEMOTED, process=command, timeout_seconds=7)
    election = ElectionSpec(name=ElectionName("e"), leader=leader, hooks={command.id.name: hook})
    always = named(process("x", StopSpec(timeout_seconds=9)))
    spec = Spec(node=NodeName("a"), processes=always, elections={election.name: election})
    assert stop_budget_seconds(spec) == 3 + 7 + LAST_STEPS_SECONDS
