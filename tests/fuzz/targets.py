"""What is fuzzed: one function for each kind of thing that is read from outside. It returns, or raises what is a finding.

A target takes bytes and does with them what the product does, from the first parser to the last line that is shown, and then
asserts what the product promises: an error of the documented kind or an answer, nothing harmful on a screen, the same value
when it was written and read again. Does not: mutate anything (``__main__`` and libFuzzer do), or keep state between two inputs.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from supervisor.cli import answers, render, sheet
from supervisor.cli.text import as_json
from supervisor.config.load import load
from supervisor.config.loaded import LastGood, NotKeptError
from supervisor.config.problems import ConfigError, Problem
from supervisor.control import describe, documents, past, views
from supervisor.control.convert import to_message, to_view
from supervisor.control.door import Door
from supervisor.control.guard import guard
from supervisor.control.ports import Ledger
from supervisor.control.service import ControlService
from supervisor.core import document, harmless, records
from supervisor.core.access import Caller
from supervisor.core.events import TermRecord
from supervisor.core.history import Page, gaps
from supervisor.core.names import LARGEST_TOKEN, ElectionName, Token
from supervisor.core.spec import HttpSpec, SyslogFormat
from supervisor.daemon import tokens
from supervisor.daemon.handover import Orders
from supervisor.daemon.ledger import LedgerFile
from supervisor.etcd import ledger, local, nospace
from supervisor.etcd.queues import Queues
from supervisor.guardian import protocol
from supervisor.guardian.setup import SetupError, prepare
from supervisor.pb import control_pb2
from supervisor.pb.etcd import kv_pb2
from supervisor.processes import looks, notify
from supervisor.processes.datagrams import Journal, Sender, Syslog
from supervisor.processes.envfile import parse_environment_file
from supervisor.processes.lines import LineCutter, neutralise, printable
from supervisor.processes.rendering import Rendering
from supervisor.report import health, page
from supervisor.report.http import Answer, HttpServer, Request, _encode
from supervisor.report.logline import Level, LogLine
from supervisor.report.logline import render as render_line
from tests.control import states
from tests.control.fakes import FakePorts

MOST_BYTES: Final = 4096
"""Of an input, but for a few larger ones in ``tests/security``: what is long is seldom what is strange."""
WALL: Final = datetime.fromtimestamp(0, UTC)
_JOB: Final = ElectionName("search")
_HARMFUL: Final = frozenset(map(chr, [*range(32), *range(0x7F, 0xA0), 0x202E, 0x2028, 0x061C]))
_METHODS: Final = tuple(control_pb2.DESCRIPTOR.services_by_name["Control"].methods)


def shown(text: str) -> None:
    """What goes to a screen as one line."""
    assert not _HARMFUL.intersection(text), f"harmful: {text!r:.200}"
    text.encode()


@functools.cache
def loop() -> asyncio.AbstractEventLoop:
    """One for all inputs of this process."""
    return asyncio.new_event_loop()


@functools.cache
def scratch() -> Path:
    """A directory of this process, removed when it ends."""
    kept = tempfile.TemporaryDirectory(prefix="fuzz")
    atexit.register(kept.cleanup)
    return Path(kept.name)


# --- the file ------------------------------------------------------------------------------------------------------


def config(data: bytes) -> None:
    """A configuration file: a Spec, or problems that name a place and a remedy and can be shown."""
    path = scratch() / "file.yaml"
    problems: tuple[Problem, ...] = ()
    try:
        assert load(path, environ={"A": "a", "PATH": "/bin"}, hostname="host", content=data).spec.node
    except ConfigError as error:
        problems = error.problems or (Problem(file="", line=0, column=0, message="", remedy=""),)
    for problem in problems:
        assert problem.message
        assert problem.line >= 1
        shown(harmless.line(str(problem)))
        shown(harmless.line(problem.shown().replace("\n", "")))


# --- the control socket --------------------------------------------------------------------------------------------


class AbortedError(Exception):
    """A call was ended with a code: an answer, too."""


class _Context:
    """As much of gRPC's as the service uses."""

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        assert code in (
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.INVALID_ARGUMENT,
        ), f"{code}: {details}"
        assert len(details) < 8000, "longer than the trailer of a call may be"
        raise AbortedError(details)

    def peer(self) -> str:
        return "unix-abstract:fuzz"


class _Caller(Door):
    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))

    def caller(self, peer: str) -> Caller | None:  # noqa: ARG002 # whoever it is
        return Caller(uid=os.geteuid(), pid=1, groups=frozenset())


def control(data: bytes) -> None:
    """A request: its first byte chooses the call, the rest is the message as it comes off the wire."""
    if not data:
        return
    method = _METHODS[data[0] % len(_METHODS)]
    kind = getattr(control_pb2, method.input_type.name)
    try:
        request = kind.FromString(data[1:])
    except DecodeError:
        return
    with contextlib.suppress(AbortedError):
        loop().run_until_complete(_call(method, request))


async def _call(method: Any, request: Any) -> None:  # of generated classes
    ports = FakePorts(states.troubled())
    service = guard(ControlService(ports, b"k" * 64), ports, _Caller())
    call = getattr(service, method.name)(request, _Context())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.002 if hasattr(request, "wait_seconds") or method.server_streaming else None):
            if method.server_streaming:
                async with contextlib.aclosing(call) as messages:
                    async for message in messages:
                        message.SerializeToString()
            else:
                (await call).SerializeToString()
    for text in ports.said:
        assert len(text) < 2000, "a caller's novel in the log"


# --- what stands in etcd -------------------------------------------------------------------------------------------


def etcd(data: bytes) -> None:
    """A key and a value, at every place below the namespace where anybody may have put them."""
    key, _, value = data.partition(b"\n")
    _candidate(key, value)
    _record(key, value)


def _candidate(key: bytes, value: bytes) -> None:
    kv = kv_pb2.KeyValue(key=b"/supervisor/search/" + key, value=value, create_revision=7, lease=1, mod_revision=7)
    queues = Queues("/supervisor")
    odd = kv_pb2.KeyValue(key=b"/supervisor/" + key, value=value, create_revision=8, mod_revision=8)
    queues.apply([kv_pb2.Event(kv=odd), kv_pb2.Event(kv=odd, type=kv_pb2.Event.DELETE)])
    (changed,) = queues.replace([kv], 7)
    first = changed.candidates[0]
    state = states.state(states.following("search", first=first))
    status = describe.status(state, states.FACTS, states.NOW)
    received = to_view(views.Status, to_message(status, control_pb2.Status()))
    shown(as_json(answers.status(received)))
    shown(render.plain(sheet.sheet(received)).replace("\n", ""))
    e = state.elections[_JOB]
    observed = to_message(describe.observation(state, e, states.NOW), control_pb2.Observation())
    json.loads(as_json(answers.observation(to_view(views.Observation, observed))))
    assert all(c.isprintable() for c in document.shown_name(document.node_of(value) or ""))
    documents.read(value)


def _record(key: bytes, value: bytes) -> None:
    found = [kv_pb2.KeyValue(key=b"/supervisor.log/search/" + key, value=value)]
    for record in (*nospace.records_in(found), TermRecord(token=Token(7), value=value)):
        assert 0 < record.token <= LARGEST_TOKEN
        told = records.read(record, otherwise_ttl_seconds=10.0)
        assert 0 <= told.margin_seconds <= told.ttl_seconds <= records.LONGEST_TTL_SECONDS
        assert records.read(records.closed(record), otherwise_ttl_seconds=10.0).mark is records.Mark.OVER
    named = ledger._named([b"/supervisor.log//search/" + key])  # the parser of keys
    pages = [Page(token=token, began=value, record=value) for token, _ in named]
    pages += [Page(token=Token(7), began=value), Page(token=Token(8), record=value)]
    view = past.describe_history("search", Ledger(pages=tuple(pages)))
    received = to_view(views.History, to_message(view, control_pb2.History()))
    as_json(answers.history(received, received.terms, gaps(received.terms)))


# --- the guardian --------------------------------------------------------------------------------------------------


def guardian(data: bytes) -> None:
    """A packet, in either direction."""
    try:
        message = protocol.decode(data)
    except protocol.ProtocolError as error:
        protocol.encode(protocol.Dropped(reason=str(error)[:1000]))
        return
    with contextlib.suppress(protocol.TooLargeError):
        again = protocol.encode(message)
        assert protocol.decode(again) == message
    if isinstance(message, protocol.Undo):
        with contextlib.suppress(protocol.ProtocolError):
            protocol.decode(message.spawn.encode(errors="replace"))
    if isinstance(message, protocol.Spawn) and message.extras is not None:
        with contextlib.suppress(SetupError):
            prepare(message.extras)


# --- what processes say --------------------------------------------------------------------------------------------


def notification(data: bytes) -> None:
    """A datagram of sd_notify."""
    notes = notify.parse(data)
    if notes is None:
        return
    if notes.status is not None:
        assert len(notes.status) <= notify.STATUS_CHARACTERS
        shown(harmless.line(notes.status))
    assert notes.extend_seconds is None or 0 <= notes.extend_seconds <= notify.LONGEST_EXTENSION_SECONDS


def output(data: bytes) -> None:
    """What a process prints, in pieces, on its way to every target and to a terminal; and what is shown of it."""
    cutter = LineCutter()
    middle = data[0] if data else 0
    block = cutter.feed(data[:middle]) + cutter.feed(data[middle:]) + cutter.flush()
    assert block == b"" or block.endswith(b"\n")
    for text in (neutralise(block), Rendering(process="p", harmless=True, prefix=True).render(0.0, "stdout", block)):
        shown(text.decode().replace("\n", "").replace("\t", ""))
        assert neutralise(text) == text
    for line in Rendering(process="p", json=True).render(0.0, "stderr", block).split(b"\n")[:-1]:
        json.loads(line)
    for last in printable(block, 10):
        shown(last.replace("\t", ""))
    sender = Sender(process="p", stream="stdout", pid=1, variables={"SUPERVISOR_NODE": "n"})
    protocols: tuple[Journal | Syslog, ...] = (
        Journal(),
        *(Syslog(facility="daemon", format=f, host="h") for f in SyslogFormat),
    )
    for each in protocols:
        each.render(0.0, sender, block)
    decoded = data.decode("utf-8", "surrogateescape")
    told = LogLine(level=Level.INFO, message=decoded, fields={"a": decoded})
    shown(render_line(told, WALL, journal=False))
    once = harmless.line(decoded)
    assert harmless.line(once) == once
    assert not set("<>\"'").intersection(harmless.html(decoded))


# --- HTTP ----------------------------------------------------------------------------------------------------------


def http(data: bytes) -> None:
    """A request to the page and the health endpoint; and the same bytes as a probed process's answer."""
    loop().run_until_complete(_http(data))


async def _http(data: bytes) -> None:
    async def answer(request: Request) -> Answer:
        if (refused := page.refusal(request, ("node.example",))) is not None or request.path == "/":
            return refused or page.html()
        return health.answer(request.path, request.query, state=states.troubled(), now=states.NOW, loop_lag_seconds=0.0)

    asked = asyncio.StreamReader(limit=8192)
    asked.feed_data(data)
    asked.feed_eof()
    said, head_only = await HttpServer(answer)._answered(asked)  # the parser, without a socket
    head, _, _ = _encode(said, head_only=head_only).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 ")
    assert all(ord(" ") <= byte < 127 for byte in head.replace(b"\r\n", b""))
    told = asyncio.StreamReader(limit=looks.HEAD_BYTES)
    told.feed_data(data)
    told.feed_eof()
    with contextlib.suppress(looks.NoAnswerError, OSError):
        async with asyncio.timeout(5):
            await looks._judge(told, HttpSpec())  # likewise


# --- our own files -------------------------------------------------------------------------------------------------


def files(data: bytes) -> None:
    """Files of the state directory after a crash, a bad disk or a hand; an environment file; what is handed over by exec."""
    with contextlib.suppress(NotKeptError):
        last = LastGood.unpacked(data)
        assert LastGood.unpacked(last.packed()) == last
    for _, seen in tokens._notes(data):  # the parser, without a disk
        assert 0 < seen.token <= LARGEST_TOKEN
    (scratch() / "terms").write_bytes(data)
    kept = LedgerFile(scratch(), lambda _: None).read(_JOB)
    view = past.describe_history("search", Ledger(pages=kept, detail="etcd is away"))
    to_message(view, control_pb2.History())
    (scratch() / "ports.json").write_bytes(data)
    assert all(isinstance(port, int) for port in local._remembered(scratch() / "ports.json"))  # likewise
    found = parse_environment_file(data.decode("utf-8", "replace"))
    assert not any("\0" in value for value in found.variables.values())
    text = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    orders = Orders(
        file=Path("/" + text.strip("/")), socket=Path("/s"), state_dir=Path("/d"), node=text, wait_etcd_seconds=None,
        errand=text,
    )  # fmt: skip
    assert Orders.parse(orders.arguments()) == orders


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "config": config,
    "control": control,
    "etcd": etcd,
    "guardian": guardian,
    "notification": notification,
    "output": output,
    "http": http,
    "files": files,
}
