"""What the owner of a good file should know of it all the same: shown by ``check``, and once in the log.

Promises: pure; one sentence each, with what to do. Does not: keep a file from being adopted.
"""

from supervisor.core.spec import CampaignWay, Spec
from supervisor.core.store import Store

MOST_CALLS = 20
"""Campaign calls that one node had better have waiting at once."""


def advice(spec: Spec) -> tuple[str, ...]:
    """Every warning about a file."""
    count = len(spec.elections)
    if spec.etcd.campaign is CampaignWay.RPC and count > MOST_CALLS:
        return (
            f"etcd.campaign is rpc, with {count} elections: each waits in a call of its own, and etcd's Election service loses "
            f"such calls when many of them end at once (seen from about 50 on); keep to {MOST_CALLS} elections on a node, or "
            "leave 'campaign' out",
        )
    return ()


def nobody(store: Store) -> str:
    """Why a node may use nothing at all: it says who it is to nobody. Empty when that is not it."""
    if len(store.missing) < 3 or store.connected is None or store.connected.auth is not None:
        return ""
    return "no etcd.auth is set, and etcd asks for a user: set etcd.auth.user and etcd.auth.password_file"
