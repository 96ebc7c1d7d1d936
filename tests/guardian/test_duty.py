"""The guardian's end of the wire, with nobody who reads."""

import socket
from typing import cast

from supervisor.guardian import protocol as say
from supervisor.guardian.containment import Containment
from supervisor.guardian.duty import Guardian
from supervisor.guardian.linux import Inherited
from supervisor.guardian.wire import Wire


def test_news_that_waited_and_left_leave_nothing_to_wake_for() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    wire, daemon = Wire(ours, max_bytes=4096), Wire(theirs, max_bytes=4096)
    guardian = Guardian(
        sock=ours, wire=wire, containment=cast("Containment", None), inherited=cast("Inherited", None)
    )  # neither is used: nothing is started
    told = 0
    while not wire.pending:
        guardian.tell(say.Pong(number=(told := told + 1)))
    while daemon.receive() is not None:
        pass
    guardian.tell(say.Pong(number=told + 1))  # takes with it what waited
    guardian._listen_some(ours.fileno())
    assert guardian._loop._poll.poll(0) == []
    daemon.close()
    wire.close()
