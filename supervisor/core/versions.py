"""Which versions of etcd have faults that matter to elections, and which mend them.

From etcd's change logs (CHANGELOG-3.4, -3.5, -3.6) and advisories; the number of the pull request or issue stands with
each. Promises: a version that nobody knows yet has no known faults; one that cannot be read has none either. Does not:
list every fault: only those by which a term, a takeover or a permission can go wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

OLDEST = (3, 4)
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of etcd's."""

    what: str
    see: str
    mended: Mapping[tuple[int, int], int]
    """By release line, the first patch release without it. Lines that are not here and newer never had it."""
    since: tuple[int, int, int] = (0, 0, 0)


FAULTS = (
    Fault(
        what="members can come to hold different data after a crash under load",
        see="etcd#13766, PR 13908",
        mended={(3, 5): 3},
        since=(3, 5, 0),
    ),
    Fault(
        what="with auth on, leases may never end once a member that recovered from a snapshot leads etcd, so that nobody takes over",
        see="PR 13205, 13206",
        mended={(3, 4): 19, (3, 5): 5},
    ),
    Fault(
        what="an answer to a watch's progress request may overtake events, so that a queue looks newer than it is",
        see="PR 15695, 15697",
        mended={(3, 4): 25, (3, 5): 8},
    ),
    Fault(
        what="an etcd leader that was frozen and wakes revokes leases that are being renewed (the takeover guard covers it)",
        see="etcd#15247",
        mended={(3, 4): 31, (3, 5): 13},
    ),
    Fault(
        what="questions after a lease fail when etcd's leader changes, so that a takeover may wait longer than it must",
        see="PR 17704, 17705",
        mended={(3, 4): 32, (3, 5): 14},
    ),
    Fault(
        what="a renewal may be confirmed though the lease was revoked (the sight of our keys covers it)",
        see="PR 20615, 20616, 20813",
        mended={(3, 4): 38, (3, 5): 23, (3, 6): 5},
    ),
    Fault(
        what="permissions are not checked inside nested transactions: a user with few rights can read and write elections",
        see="GHSA-rfx7-8w68-q57q",
        mended={(3, 4): 42, (3, 5): 28, (3, 6): 9},
    ),
)


def faults(version: str) -> tuple[Fault, ...]:
    """Those of a version, as ``3.5.1``."""
    read = _read(version)
    return () if read is None else tuple(fault for fault in FAULTS if _has(read, fault))


def warning(version: str) -> str:
    """One sentence on a version, with the one that mends all of it; empty when nothing is known against it."""
    read = _read(version)
    if read is None:
        return ""
    if read[:2] < OLDEST:
        return (
            f"etcd {version} is older than 3.4, the oldest that works: its answers to watches and transactions differ"
        )
    found = faults(version)
    if not found:
        return ""
    line = read[:2]
    mending = max(fault.mended[line] for fault in found)
    listed = "; ".join(f"{fault.what} [{fault.see}]" for fault in found)
    return f"etcd {version} has known faults, all mended in {line[0]}.{line[1]}.{mending}: {listed}"


def _read(version: str) -> tuple[int, int, int] | None:
    found = _VERSION.match(version)
    if found is None:
        return None
    major, minor, patch = (int(part) for part in found.groups()[:3])
    return major, minor, patch


def _has(version: tuple[int, int, int], fault: Fault) -> bool:
    first_without = fault.mended.get(version[:2])
    return first_without is not None and version >= fault.since and version[2] < first_without
