"""The shape of what the outside is told: where health and metrics are, and who is notified of what.

Promises, and does not: as ``schema``, which takes them over.
"""

from typing import Annotated

from supervisor.config import outside_values, probe_values, values
from supervisor.config.kinds import Command, Path, Seconds, User
from supervisor.config.problems import Refused
from supervisor.config.shape import Before, key_of, section, single
from supervisor.config.tree import Leaf


def url_alone(value: object) -> object:
    """A text alone is the URL."""
    return {"url": value} if isinstance(value, Leaf) else value


def some(value: object) -> object:
    """A single value stands for a list of one; an empty list for a mistake."""
    if value == []:
        raise Refused("the list is empty", "name at least one, or leave the key out")
    return [value] if isinstance(value, Leaf) else value


def one_way(value: object) -> object:
    """A notification goes by a command or by a webhook."""
    if isinstance(value, dict) and ("command" in value) == ("webhook" in value):
        both = "both 'command' and 'webhook'" if "command" in value else "neither 'command' nor 'webhook'"
        raise Refused(f"{both} are given", "keep one; two notifications may have the same 'events'")
    return value


@section
class Metrics:
    """``metrics``: health checks and metrics over HTTP, without a password."""

    address: Annotated[tuple[str, int], single(outside_values.listening)]
    """Where: `host:port`. The new address answers before the old one stops.

    Class: live. Default: required. Example: 127.0.0.1:9977"""


@section
class Web:
    """``web``: the page for a browser (docs/web.md). It changes nothing, and has no password."""

    address: Annotated[tuple[str, int], single(outside_values.listening)]
    """Where: `host:port`; it may be that of `metrics`. Whoever reaches it sees the fleet: outside of this machine, put a reverse
    proxy that asks who calls in front of a loopback address. The new address answers before the old one stops.

    Class: live. Default: required. Example: 127.0.0.1:9978"""

    logs: Annotated[bool, single(values.switch)] | None = None
    """Whether the page shows what processes write themselves: the last of their logs, and what they say in status and probes. It
    may hold secrets.

    Class: live. Default: off. Example: on"""

    names: Annotated[list[Annotated[str, single(values.domain)]], Before(some)] | None = None
    """Host names under which a browser may ask for the page, beside addresses and `localhost`: that of a reverse proxy which
    passes it on. Any other is refused, so that no website can point its own name here and read the page.

    Class: live. Default: none. Example: [supervisor.example.org]"""


@section
class Webhook:
    """``webhook`` of a notification; a text alone is its URL."""

    url: Annotated[str, single(probe_values.url)]
    """Where the event goes by POST. It is never shown: it may hold a secret.

    Class: live. Default: required. Example: "https://hooks.example.org/x\""""

    headers: (
        dict[Annotated[str, key_of(probe_values.header_name)], Annotated[str, single(probe_values.header_value)]] | None
    ) = None
    """Headers of the request. They are never shown: they may hold secrets.

    Class: live. Default: none. Example: {Authorization: "Bearer ${PAGER_TOKEN}"}"""

    ca: Path | None = None
    """A file of certificates of authorities that are trusted instead of the machine's own; for https.

    Class: live. Default: the machine's own authorities. Example: ca.pem"""


@section
class Notify:
    """One of ``notify``: whom to tell, of what. Either ``command`` or ``webhook``."""

    events: Annotated[list[Annotated[str, single(outside_values.kind)]], Before(some)]
    """The kinds of events to tell of, or all; `docs/operating.md` has them.

    Class: live. Default: required. Example: [term-ending, process-gave-up]"""

    elections: Annotated[list[Annotated[str, single(values.name)]], Before(some)] | None = None
    """Only events of these elections; what concerns the whole daemon always counts.

    Class: live. Default: all elections. Example: [billing]"""

    command: Command | None = None
    """A command that is run for each event, which is in its environment (`SUPERVISOR_EVENT`).

    Class: live. Default: none. Example: [/usr/local/bin/page, --loud]"""

    user: User | None = None
    """As whom the command is run.

    Class: live. Default: the supervisor's own user. Example: nobody"""

    webhook: Annotated[Webhook, Before(url_alone)] | None = None
    """A web server that gets each event as JSON.

    Class: live. Default: none. Example: {url: "https://hooks.example.org/x"}"""

    timeout: Seconds | None = None
    """How long one try may take; a duration.

    Class: live. Example: 5s"""

    retries: Annotated[int, single(outside_values.retries)] | None = None
    """How often one that failed is tried again before it is given up.

    Class: live. Example: 10"""

    backoff: Annotated[tuple[float, float], single(values.backoff_seconds)] | None = None
    """The first and the longest pause between two tries; doubled each time.

    Class: live. Example: 5s..5m"""


ANotify = Annotated[Notify, Before(one_way)]
