"""A daemon in miniature, to be killed by tests: holds the link, arms, spawns what it is told, says the pids, and waits."""

import asyncio
import json
import os
import sys
from pathlib import Path

from supervisor.core import events
from supervisor.core.names import LeaseId, RunId, Term, Token
from supervisor.core.spec import AuthSpec, EtcdSpec, TlsSpec
from supervisor.guardian.link import GuardianLink, SpawnRequest, launch
from tests.guardian.harness import BILLING, arm, now


async def main() -> None:
    orders = json.loads(sys.argv[1])
    launched = launch(state_dir=Path(orders["state_dir"]), node="test")
    news: asyncio.Queue[events.Event] = asyncio.Queue()
    link = GuardianLink(launched, on_event=news.put_nowait, chance=lambda: 0.5)
    task = asyncio.create_task(link.run())
    auth = AuthSpec(user=orders["user"], password_file=orders["password_file"]) if "user" in orders else None
    tls = TlsSpec(**orders["tls"]) if "tls" in orders else None
    if orders.get("endpoints"):
        endpoints = tuple(orders["endpoints"])
        link.store(EtcdSpec(endpoints=endpoints, auth=auth, tls=tls), endpoints)
    for token in orders.get("tokens", [BILLING.token]):
        term = Term(BILLING.election, Token(token))
        link.arm(arm(term, LeaseId(orders.get("lease", 1)), now(orders["ttl"]), orders["margin"]))
    pids: list[int] = []
    for number, run in enumerate(orders["runs"], 1):
        request = SpawnRequest(
            run=RunId(number), scope=f"run.{number}", term=_term(run.get("term")), argv=tuple(run["argv"]),
            environment=dict(os.environ), stop_timeout_seconds=run.get("stop", 0.5), last=run.get("last", False),
            held=run.get("held", False),
            stop_then=tuple(map(tuple, run.get("then", ()))),
        )  # fmt: skip
        link.spawn(request, 2, 2)
        if request.held:
            continue
        while not isinstance(event := await news.get(), events.Spawned):
            assert not isinstance(event, events.SpawnFailed), event
        pids.append(event.pid)
    sys.stdout.write(json.dumps({"guardian": launched.ready.pid, "pids": pids}) + "\n")
    sys.stdout.flush()
    await task


def _term(given: object) -> Term | None:
    """True for the usual one, a number for the one with that token."""
    if not given:
        return None
    return BILLING if given is True else Term(BILLING.election, Token(int(str(given))))


asyncio.run(main())
