"""A node that takes part in a drill: it stands in the scratch election, and tells the conductor what its probe wrote.

Promises: runs a scratch daemon while a drill is on and ends it with the drill, also when the conductor vanishes; resigns when the
conductor is to lead. Does not: strike anybody, or touch a real election.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from supervisor.cli import exits
from supervisor.cli.drilling import notes
from supervisor.cli.drilling.scratch import Part, ScratchNode, machine, now
from supervisor.config import values
from supervisor.config.problems import Refused
from supervisor.core.drill import Term
from supervisor.core.names import ElectionName
from supervisor.etcd.board import CONDUCTOR, NODES, Board

if TYPE_CHECKING:
    from supervisor.core.spec import EtcdSpec

_LOOK_SECONDS: Final = 0.05


async def join(
    etcd: "EtcdSpec", *, election: str, node: str, wait_seconds: float | None, stay: bool, say: Callable[[str], None]
) -> int:
    """Take part in the next drill of an election, or in every one. Raises Failure, and any ``StoreError``."""
    async with Board(etcd, ElectionName(election)) as board:
        taken = notes.written(notes.Answer(node=node, machine=machine(), ask=0, at=now()))
        if not await board.put(NODES + node, taken, only_new=True):
            why = f"{node} takes part in drills of {election} already, here or elsewhere: choose another --node"
            raise exits.Failure(why, exits.USAGE)
        while True:
            say(f"{node} waits for a drill of election {election}")
            patience = 1e9 if wait_seconds is None else wait_seconds
            if not await board.wait(lambda: _conductor(board) is not None, patience):
                raise exits.Failure("no drill was begun in time", exits.TIMED_OUT)
            wanted = _conductor(board)
            assert wanted is not None
            scratch = ScratchNode(Part(node=node, election=election, ttl=_ttl(wanted.ttl), etcd=etcd))
            try:
                scratch.start()
                say(f"{node} takes part in the drill of {wanted.node}, TTL {wanted.ttl}")
                await _Joiner(board, scratch).take_part()
            finally:
                await asyncio.to_thread(scratch.end)
            say("the drill is over")
            if not stay:
                return exits.OK


def _conductor(board: Board) -> notes.Wanted | None:
    """What is wanted; None when nobody conducts."""
    note = board.notes.get(CONDUCTOR)
    try:
        found = notes.wanted(note.value) if note is not None else None
    except notes.OtherVersionError as error:
        raise exits.Failure(f"the conductor of the drill is another supervisor: {error}", exits.USAGE) from None
    return None if found is None or found.over else found


def _ttl(text: str) -> str:
    try:
        values.ttl_seconds(text)
    except Refused as error:
        raise exits.Failure(f"the conductor's TTL: {error}", exits.USAGE) from None
    return text


class _Joiner:
    def __init__(self, board: Board, scratch: ScratchNode) -> None:
        self._board, self._scratch = board, scratch
        self._node = scratch.part.node
        self._machine = machine()
        self._told: tuple[int, tuple[tuple[int, int, int | None], ...]] | None = None
        self._resigning: asyncio.Task[None] | None = None

    async def take_part(self) -> None:
        """Until the conductor says that it is over, or is gone."""
        try:
            while (wanted := _conductor(self._board)) is not None and self._board.held:
                self._board.changed.clear()
                self._scratch.tend()
                terms = self._scratch.look()
                news = (wanted.ask, tuple((t.token, t.first, t.gone) for t in terms))
                if news != self._told:
                    await self._answer(wanted.ask, terms)
                    self._told = news
                self._give_way(wanted)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._board.changed.wait()
        finally:
            if self._resigning is not None:
                await asyncio.gather(self._resigning, return_exceptions=True)

    async def _answer(self, ask: int, terms: tuple[Term, ...]) -> None:
        told = notes.Answer(node=self._node, machine=self._machine, ask=ask, at=now(), terms=terms)
        await self._board.put(NODES + self._node, notes.written(told))

    def _give_way(self, wanted: notes.Wanted) -> None:
        if wanted.lead in ("", self._node) or self._scratch.leads() is None:
            return
        if self._resigning is None or self._resigning.done():
            self._resigning = asyncio.create_task(self._scratch.resign())
