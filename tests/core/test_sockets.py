"""When what is held open for a process is closed: when its end begins, and never between two runs of it."""

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.birth import SocketKind, SocketSpec
from supervisor.core.duties import Backlog
from supervisor.core.names import NodeName, Role, RunId
from supervisor.core.spec import RestartPolicy, RestartSpec, Spec
from tests.core.world import World, election, process, spec

SOCKETS = {"http": SocketSpec(kind=SocketKind.TCP, host="0.0.0.0", port=80)}  # nobody listens


def closed(world: World) -> list[str]:
    """The log's lines that close sockets."""
    return [line for line in world.log if "CloseSockets" in line]


def leading() -> World:
    world = World()
    world.load(spec(election(leader=(process("work", sockets=SOCKETS),))))
    assert world.running() == ["job/work"]
    return world


def test_a_restart_closes_nothing() -> None:
    world = leading()
    for _ in range(3):
        world.crash("job/work")
        world.advance(2)
    assert world.running() == ["job/work"]
    assert not closed(world)


def test_the_end_of_a_term_closes_them_before_the_key_goes() -> None:
    world = leading()
    world.load(Spec(node=NodeName("one")))
    lines = [line.split("(")[0].split()[-1] for line in world.log]
    assert len(closed(world)) == 1
    assert lines.index("CloseSockets") < lines.index("SignalRun") < lines.index("Resign")


def test_they_are_closed_when_the_stop_begins_not_when_it_has_ended() -> None:
    world = leading()
    for child in world.children.values():
        child.obeys = False
    world.load(Spec(node=NodeName("one")))
    assert len(closed(world)) == 1
    assert world.running() == ["job/work"], "it does not obey"


def test_one_that_gave_up_or_is_done_leaves_nobody_waiting() -> None:
    always = process("web", role=Role.ALWAYS, sockets=SOCKETS, restart=RestartSpec(policy=RestartPolicy.NEVER))
    world = World()
    world.load(spec(always=(always,)))
    world.crash("web")
    world.post(ev.Ticked())
    assert world.running() == []
    assert len(closed(world)) == 1


def test_a_file_without_them_closes_them_and_a_file_with_others_does_not() -> None:
    world = World()
    world.load(spec(always=(process("web", role=Role.ALWAYS, sockets=SOCKETS),)))
    other = {"http": SocketSpec(kind=SocketKind.TCP, host="0.0.0.0", port=81)}  # nobody listens
    world.load(spec(always=(process("web", role=Role.ALWAYS, sockets=other),)))
    assert world.running() == ["web"]
    assert not closed(world)
    world.load(spec(always=(process("web", role=Role.ALWAYS),)))
    assert world.running() == ["web"]
    assert len(closed(world)) == 1


def test_an_out_of_memory_kill_is_kept_with_the_exit() -> None:
    world = leading()
    (run,) = world.children
    world.children.clear()
    world.post(ev.Exited(run=run, code=None, signal=9, oom_killed=True))
    (p,) = [p for p in world.state.processes.values() if p.id.name == "work"]
    assert p.last_exit is not None
    assert p.last_exit.oom_killed


def test_a_start_that_was_put_off_is_not_overtaken_by_the_close() -> None:
    world = leading()
    backlog = Backlog()
    work = process("work", sockets=SOCKETS)
    spawn = ac.Spawn(run=RunId(7), spec=work, term=None, variables=())
    close = ac.CloseSockets(process=work.id, run=RunId(7))
    assert backlog.admit(spawn, world.state) == ()
    assert backlog.admit(close, world.state) == (spawn, close)
