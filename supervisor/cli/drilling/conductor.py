"""Conducts a drill: has this node lead the scratch election, strikes its scratch daemon, and judges what followed.

Promises: strikes nothing but the scratch daemon that it started itself; refuses an election in which anybody else stands, or
ever led; whatever is broken is mended before the next round and at the end, and nothing of the drill stays in etcd. Clocks of
other machines are compared before and after each round. Does not: judge (``core.drill`` does).
"""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from supervisor.cli import exits
from supervisor.cli.drilling import joiner, notes
from supervisor.cli.drilling.cut import Cut
from supervisor.cli.drilling.scratch import MARK, Part, ScratchNode, machine, now
from supervisor.core import drill, records
from supervisor.core.document import node_of
from supervisor.core.drill import HERE, NANOSECONDS, Kind, Ping, Round, Span, Strike, Term, Verdict
from supervisor.core.names import ElectionName
from supervisor.etcd.board import CONDUCTOR, NODES, Board

if TYPE_CHECKING:
    from supervisor.core.spec import EtcdSpec

PINGS: Final = 7
"""Each time: the quickest tells most."""
_PING_SECONDS: Final = 5.0
_HOLD_TTLS: Final = 1.3
"""How long a node is frozen or cut off, so that its lease ends meanwhile."""
_FOLLOW_TTLS: Final = 4.0
_FOLLOW_SECONDS: Final = 15.0
"""For another to take over; beyond that nobody did."""
_LEAVE_SECONDS: Final = 30.0
"""For the others to end their scratch daemons."""
_SETTLED_SECONDS: Final = 0.3
"""For which our probe beats before it is struck."""
_MOST_CUT_SECONDS: Final = 20.0
"""Beside what a cut is to last: the kernel ends it then, if nobody else does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked for."""

    etcd: "EtcdSpec"
    election: str
    node: str
    ttl: str
    ttl_seconds: float
    kinds: Sequence[Kind]
    rounds: int
    nodes: int
    """How many are to take part, ours included."""
    local: int
    """So many of them are started here."""
    wait_seconds: float
    group: int | None
    """Of our scratch daemon, where it is to be cut off."""


class Conductor:
    """One drill."""

    def __init__(self, plan: Plan, board: Board, cut: Cut | None, say: Callable[[str], None]) -> None:
        self._plan, self._board, self._cut, self._say = plan, board, cut, say
        part = Part(node=plan.node, election=plan.election, ttl=plan.ttl, etcd=plan.etcd, group=plan.group)
        self._own = ScratchNode(part)
        self._ask = 0
        self._machine = machine()
        self._locals: list[asyncio.Task[int]] = []
        self._conducts = False

    async def rounds(self) -> AsyncGenerator[Round, None]:
        """Every round, as it is judged. Raises Failure, and any ``StoreError``."""
        try:
            await self._begin()
            for kind in self._plan.kinds:
                for _ in range(self._plan.rounds):
                    await self._have_us_lead()
                    yield await self._round(kind)
        finally:
            await self._end()

    # --- before and after

    async def _begin(self) -> None:
        plan, board = self._plan, self._board
        found, ledger = await board.past()
        strangers = {str(records.fields(value).get("node", "?")) for value in found if not _is_ours(value)}
        self._refuse({*strangers, *(["somebody long ago"] if ledger else [])}, "led")
        self._refuse(self._candidates(), "stand")
        if not await board.put(CONDUCTOR, self._wanted(), only_new=True):
            why = f"another drill of election {plan.election} is under way: wait for its end, or choose another --election"
            raise exits.Failure(why, exits.TIMED_OUT)
        self._conducts = True
        self._own.start()
        for number in range(2, plan.local + 1):
            name = f"{plan.node.removesuffix(MARK)}-{number}{MARK}"
            other = joiner.join(
                plan.etcd, election=plan.election, node=name, wait_seconds=None, stay=False, say=lambda _: None
            )
            self._locals.append(asyncio.create_task(other))

    async def _end(self) -> None:
        """Nothing of ours is left. What failed to be taken out of etcd ends with its lease; a record, with the next drill."""
        board = self._board
        with suppress(Exception):  # it may be etcd that failed
            if self._conducts:
                await board.put(CONDUCTOR, self._wanted(over=True))
        await asyncio.to_thread(self._own.end)
        if self._locals:
            _, late = await asyncio.wait(self._locals, timeout=_LEAVE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._locals, return_exceptions=True)
        with suppress(Exception):
            if self._conducts:
                # The last to leave writes a record with its last breath.
                await board.wait(lambda: not board.queue, _LEAVE_SECONDS)
                await board.forget(_is_ours)

    def _refuse(self, nodes: set[str], verb: str) -> None:
        if strangers := sorted(node for node in nodes if not node.endswith(MARK)):
            names = ", ".join(strangers)[:100]
            why = (
                f"election {self._plan.election} is not a drill's: {names} {verb} in it. A drill never touches a real election:"
                " choose another --election"
            )
            raise exits.Failure(why, exits.USAGE)

    def _candidates(self) -> set[str]:
        return {node_of(value) or "a foreign candidate" for value in self._board.queue}

    def _wanted(self, *, lead: str = "", over: bool = False) -> bytes:
        plan = self._plan
        return notes.written(notes.Wanted(node=plan.node, ttl=plan.ttl, ask=self._ask, lead=lead, over=over))

    # --- a round

    async def _have_us_lead(self) -> None:
        """Everybody in the queue, and our probe beating: the others resign until it does."""
        plan = self._plan
        await self._board.put(CONDUCTOR, self._wanted(lead=plan.node))
        told = False

        def ready() -> bool:
            nonlocal told
            self._own.tend()
            self._refuse(self._candidates(), "stand")
            led = self._own.leads()
            missing = plan.nodes - len(self._candidates())
            if missing > 0 and not told and plan.nodes > plan.local:
                told = True
                self._say(f"waiting for {missing} more: run `supervisor drill join` on the other nodes")
            settled = led is not None and led.last - led.first > _SETTLED_SECONDS * NANOSECONDS
            return missing <= 0 and settled and len(self._answers()) >= plan.nodes - 1

        if not await self._board.wait(ready, plan.wait_seconds):
            here = ", ".join(sorted(self._candidates())) or "nobody"
            why = f"the drill could not begin: {plan.nodes} nodes are to stand in {plan.election} and ours to lead; there: {here}"
            trouble = f"; etcd: {self._board.trouble}" if self._board.trouble else ""
            raise exits.Failure(f"{why}{trouble}\n{self._own.says()}", exits.TIMED_OUT)

    async def _round(self, kind: Kind) -> Round:
        before = await self._compare(lead=self._plan.node)
        await self._board.put(CONDUCTOR, self._wanted())
        led = self._own.leads()
        if led is None:
            raise exits.Failure("the probe ended before it was struck", exits.TIMED_OUT)
        dropped = self._cut.dropped() if self._cut is not None else 0
        self._say(f"{kind.value}: {self._plan.node}, token {led.token}")
        struck = Strike(kind=kind, node=self._plan.node, token=led.token, at=now())
        try:
            self._strike(kind)
            await self._follow(struck)
        finally:
            self._mend(kind)
        if kind is Kind.PARTITION and self._cut is not None and self._cut.dropped() == dropped:
            raise exits.Failure("no packet was dropped: the scratch daemon was not cut off", exits.INTERNAL)
        await self._board.wait(lambda: self._own_ended(led.token), _FOLLOW_SECONDS)
        after = await self._compare()
        ahead = {name: drill.hull(span, after.get(name, span)) for name, span in before.items()}
        ahead = {name: span for name, span in ahead.items() if name in after} | {
            name: span for name, span in after.items() if name not in before
        }
        return drill.judge(struck, self._terms(), ahead)

    def _strike(self, kind: Kind) -> None:
        match kind:
            case Kind.KILL:
                self._own.signal(signal.SIGKILL)
            case Kind.FREEZE:
                self._own.signal(signal.SIGSTOP)
            case Kind.PARTITION:
                assert self._cut is not None, "it is there when a partition is wanted"
                self._cut.begin(self._plan.ttl_seconds * _FOLLOW_TTLS + _MOST_CUT_SECONDS)

    def _mend(self, kind: Kind) -> None:
        if kind is Kind.FREEZE:
            self._own.signal(signal.SIGCONT)
        elif kind is Kind.PARTITION and self._cut is not None:
            self._cut.end()

    async def _follow(self, struck: Strike) -> None:
        """Until another has taken over, and for as long as the fault is to last."""
        ttl = self._plan.ttl_seconds
        holds = 0.0 if struck.kind is Kind.KILL else _HOLD_TTLS * ttl
        until = time.monotonic() + holds
        await self._board.wait(
            lambda: any(t.token > struck.token for t in self._terms()), _FOLLOW_TTLS * ttl + _FOLLOW_SECONDS
        )
        if (left := until - time.monotonic()) > 0:
            await asyncio.sleep(left)

    def _own_ended(self, token: int) -> bool:
        return all(t.gone is not None for t in self._own.look() if t.token == token)

    # --- what the others say

    def _answers(self) -> dict[str, notes.Answer]:
        """By node; those of another version are left out, and said."""
        found = {}
        for path, note in self._board.notes.items():
            if not path.startswith(NODES):
                continue
            try:
                answer = notes.answer(note.value)
            except notes.OtherVersionError as error:
                raise exits.Failure(f"{path.removeprefix(NODES)} is another supervisor: {error}", exits.USAGE) from None
            if answer is not None:
                found[answer.node] = answer
        return found

    def _terms(self) -> list[Term]:
        """Every term that anybody knows of, those of this machine by its one clock."""
        found = list(self._own.look())
        for answer in self._answers().values():
            found += [_here(term) if answer.machine == self._machine else term for term in answer.terms]
        return found

    async def _compare(self, *, lead: str = "") -> dict[str, Span]:
        """How far the clocks of the other machines are ahead of ours: ``Ping`` after ``Ping``."""
        pings: dict[str, list[Ping]] = {}
        for _ in range(PINGS):
            self._ask += 1
            sent, heard = now(), dict[str, Ping]()
            await self._board.put(CONDUCTOR, self._wanted(lead=lead))
            await self._board.wait(lambda sent=sent, heard=heard: self._heard(sent, heard), _PING_SECONDS)  # type: ignore[misc] # defaults in a lambda
            for name, ping in heard.items():
                pings.setdefault(name, []).append(ping)
        found = {name: drill.offset(some) for name, some in pings.items()}
        return {name: span for name, span in found.items() if span is not None and name != self._machine}

    def _heard(self, sent: int, heard: dict[str, Ping]) -> bool:
        """Whether everybody has answered the last question; ``heard`` gets the quickest answer of each machine."""
        answers = self._answers().values()
        for answer in answers:
            if answer.ask == self._ask and answer.machine not in heard:
                heard[answer.machine] = Ping(sent=sent, at=answer.at, heard=now())
        return all(answer.ask == self._ask for answer in answers)


def _is_ours(record: bytes) -> bool:
    """Whether a term's record is a scratch node's."""
    node = records.fields(record).get("node")
    return isinstance(node, str) and node.endswith(MARK)


def _here(term: Term) -> Term:
    kept = {name: getattr(term, name) for name in Term.__slots__}
    return Term(**(kept | {"machine": HERE}))


async def conduct(plan: Plan, *, say: Callable[[str], None], show: Callable[[Round], None]) -> tuple[Round, ...]:
    """The whole drill. Raises Failure, and any ``StoreError``."""
    done: list[Round] = []
    async with Board(plan.etcd, ElectionName(plan.election)) as board:
        cut = Cut(plan.group) if plan.group is not None else None
        with cut if cut is not None else nullcontext():
            rounds = Conductor(plan, board, cut, say).rounds()
            try:
                async for one in rounds:
                    done.append(one)
                    show(one)
            finally:
                await rounds.aclose()
    return tuple(done)


def exit_code(rounds: Sequence[Round]) -> int:
    """0: overlap 0, proven, in every round; 1: not proven in one; 2: one has failed, or there was none."""
    verdicts = {r.verdict for r in rounds}
    if not rounds or Verdict.FAILED in verdicts:
        return exits.UNFIT
    return exits.DEGRADED if Verdict.UNSURE in verdicts else exits.OK
