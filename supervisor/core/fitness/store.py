"""Is this etcd fit for these elections.

Promises: an endpoint, a range, a lease that is well is a finding, too. What could not be asked because nobody answered is
left out: the one problem that says so is enough.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from statistics import median

from supervisor.core import alarms, timing, versions
from supervisor.core.fitness.facts import EndpointFacts, LeaseFacts, RangeFacts, StoreFacts
from supervisor.core.fitness.finding import Finding, fine, problem, warn
from supervisor.core.names import ElectionName, grant_line
from supervisor.core.spec import ElectionSpec

FULL_BYTES = 2 * 1024**3
"""Etcd's default quota."""
NEARLY = 0.8
_COMFORT = 4
"""How many times a usual renewal should fit into the time that one try of it has."""


def findings(facts: StoreFacts, elections: Mapping[ElectionName, ElectionSpec]) -> list[Finding]:
    """All of them."""
    answered = [e for e in facts.endpoints if not e.error]
    found = [*_reachable(facts, answered)]
    if not answered:
        return found
    found += [*_clusters(answered), *_versions(answered), *_alarms(answered), *_members(facts, answered)]
    found += [*_access(facts)]
    least = min((election.ttl_seconds for election in elections.values()), default=None)
    if least is not None:
        for endpoint in answered:
            found += _trips(endpoint, least)
    for lease in facts.leases:
        found += _lease(lease, elections.values())
    return found


def _reachable(facts: StoreFacts, answered: list[EndpointFacts]) -> Iterator[Finding]:
    check = "etcd.reachable"
    if facts.detail:
        grade = warn if facts.endpoints else problem
        why = "a name that cannot be looked up leads to no member"
        yield grade(
            check, "", facts.detail, why=why, remedy="correct etcd.endpoints or etcd.discovery_srv, or the resolver"
        )
    for one in facts.endpoints:
        if not one.error:
            yield fine(check, one.url, "answers")
            continue
        grade, why = problem, "without an answer from etcd nobody can lead"
        if answered:
            grade, why = warn, "the others are asked in its place; when they fail, too, every leader stops"
        remedy = "start it, or correct etcd.endpoints, etcd.tls and the firewall; or take it out of the file"
        yield grade(check, one.url, one.error, why=why, remedy=remedy)


def _clusters(answered: list[EndpointFacts]) -> Iterator[Finding]:
    found = {e.cluster for e in answered if e.cluster}
    if len(found) > 1:
        named = "; ".join(f"{e.url} is of {e.cluster}" for e in answered)
        why = "a lease of one etcd is nothing to another: two nodes could each be told that they lead"
        remedy = "let etcd.endpoints name members of one cluster only"
        yield problem("etcd.cluster", "", f"{len(found)} clusters: {named}", why=why, remedy=remedy)


def _versions(answered: list[EndpointFacts]) -> Iterator[Finding]:
    for version in sorted({e.version for e in answered if e.version}):
        if told := versions.warning(version):
            mending = f"upgrade etcd{_upgrade(version)}"
            yield warn(
                "etcd.version",
                version,
                told,
                why="a term, a takeover or a permission can go wrong by them",
                remedy=mending,
            )
        else:
            yield fine("etcd.version", version, f"etcd {version}: nothing is known against it")


def _upgrade(version: str) -> str:
    found = versions.faults(version)
    line = tuple(int(part) for part in version.split(".")[:2])
    if not found or len(line) != 2:
        return " to 3.4 or newer"
    mended = max(fault.mended[(line[0], line[1])] for fault in found)
    return f" to {line[0]}.{line[1]}.{mended} or newer, one member after the other"


def _alarms(answered: list[EndpointFacts]) -> Iterator[Finding]:
    check = "etcd.alarm"
    raised = sorted({alarm for e in answered for alarm in e.alarms})
    for alarm in raised:
        spoiled = "CORRUPT" in alarm
        remedy = (
            "replace the member with the wrong data (etcdctl member remove, then add)"
            if spoiled
            else "compact and defragment etcd (etcdctl compact, etcdctl defrag), raise --quota-backend-bytes if need be, then run 'etcdctl alarm disarm'"
        )
        why = (
            "members that disagree can tell two nodes that they lead"
            if spoiled
            else "who leads goes on, and nobody can take over"
        )
        yield problem(check, alarm, alarms.in_words(alarm), why=why, remedy=remedy)
    if not raised:
        yield fine(check, "", "none")
    largest = max(answered, key=lambda e: e.db_size_bytes)
    if not raised and largest.db_size_bytes > NEARLY * FULL_BYTES:
        seen = f"the database of {largest.url} has {largest.db_size_bytes / 1e9:.1f} GB; etcd's default quota is 2.1 GB"
        remedy = "compact and defragment it, or raise --quota-backend-bytes and forget this"
        yield warn(
            "etcd.size",
            largest.url,
            seen,
            why="at its quota etcd refuses every write, and nobody can take over",
            remedy=remedy,
        )


def _members(facts: StoreFacts, answered: list[EndpointFacts]) -> Iterator[Finding]:
    check = "etcd.members"
    for one in answered:
        if not one.leader:
            why = "a member without a majority beside it can confirm nothing"
            yield problem(
                check,
                one.url,
                "it sees no leader of its cluster",
                why=why,
                remedy="start the other members, and mend what is between them",
            )
        if one.learner:
            why = "a learner holds no vote and refuses what a leader of ours must ask"
            yield warn(
                check,
                one.url,
                "it is a learner",
                why=why,
                remedy="promote it (etcdctl member promote), or take it out of etcd.endpoints",
            )
    if facts.members is None or facts.local:
        return
    count, named = len(facts.members), len(facts.endpoints)
    listed = f"{count} ({', '.join(facts.members)})"
    if count == 1:
        why = "when it is down, every leader stops and nobody takes over"
        yield warn(check, "", "1", why=why, remedy="have three members, on three machines")
    elif count % 2 == 0:
        why = f"{count} members survive the loss of no more of them than {count - 1} would"
        yield warn(check, "", listed, why=why, remedy=f"have {count + 1} members, or {count - 1}")
    elif named < count:
        why = "a member that the file does not name cannot be asked when the others are lost"
        yield warn(
            check, "", f"{listed}; the file leads to {named}", why=why, remedy="name every member in etcd.endpoints"
        )
    else:
        yield fine(check, "", listed)


def _access(facts: StoreFacts) -> Iterator[Finding]:
    check = "etcd.permissions"
    if facts.login_error:
        why = "etcd asks who we are and lets nobody else do anything"
        remedy = "set etcd.auth.user and etcd.auth.password_file to a user that etcd knows, with the three ranges"
        yield problem(check, "", facts.login_error, why=why, remedy=remedy)
        return
    for one in facts.ranges:
        yield _range(check, one)


def _range(check: str, one: RangeFacts) -> Finding:
    if not one.permitted:
        why = "a node reads and writes all three ranges: candidates, requests, and the record of each term"
        seen = "etcd's user may not read and write it"
        return problem(
            check, one.prefix, seen, why=why, remedy=f"run: {grant_line(one.prefix)} (ROLE: a role of that user)"
        )
    if one.error:
        why = "what cannot be written here keeps a node from leading"
        return problem(check, one.prefix, one.error, why=why, remedy="see what etcd says of it, and its alarms")
    return fine(check, one.prefix, f"read and written (a write took {_ms(one.written_seconds or 0.0)})")


def _trips(one: EndpointFacts, ttl: int) -> Iterator[Finding]:
    check = "etcd.roundtrip"
    if one.trips_error:
        yield warn(
            check,
            one.url,
            one.trips_error,
            why="a renewal goes the same way",
            remedy="look at etcd's log and at the way to it",
        )
    if not one.trips_seconds:
        return
    usual, slowest = median(one.trips_seconds), max(one.trips_seconds)
    patience = timing.renewal_patience_seconds(ttl)
    seen = f"median {_ms(usual)}, worst {_ms(slowest)} of {len(one.trips_seconds)}; one try of a renewal at ttl {ttl}s has {_ms(patience)}"
    fitting = max(math.ceil(9 * _COMFORT * usual), math.ceil(9 * slowest), ttl + 1)
    remedy = f"bring etcd nearer or give it a faster disk, or raise ttl to {fitting}s"
    if usual > patience:
        why = "no renewal is answered in its time: the lease is lost again and again"
        yield problem(check, one.url, seen, why=why, remedy=remedy)
    elif usual * _COMFORT > patience or slowest > patience:
        why = "a little more load, or one lost packet, and renewals come too late"
        yield warn(check, one.url, seen, why=why, remedy=remedy)
    else:
        yield fine(check, one.url, seen)


def _lease(lease: LeaseFacts, elections: Iterable[ElectionSpec]) -> Iterator[Finding]:
    check, asked, granted = "etcd.ttl", lease.asked_seconds, lease.granted_seconds
    theirs = [election for election in elections if election.ttl_seconds == asked]
    subject = ", ".join(sorted(election.name for election in theirs))
    if granted is None:
        why = "without a lease nobody can lead"
        yield problem(
            check, subject, lease.error or "no lease was granted", why=why, remedy="see what etcd says, and its alarms"
        )
        return
    if granted > asked:
        why = f"a dead leader is replaced after {granted}s, not {asked}s"
        remedy = f"write ttl: {granted}s, or lower etcd's --election-timeout: the shortest ttl is one and a half of it, and 2s by default"
        yield warn(check, subject, f"asked for {asked}s, granted {granted}s", why=why, remedy=remedy)
    elif granted < asked:
        why = f"what stands between us and etcd cuts leases: only {granted}s can be relied upon"
        remedy = f"find out who answers in etcd's place, or write ttl: {granted}s"
        yield warn(check, subject, f"asked for {asked}s, granted {granted}s", why=why, remedy=remedy)
    else:
        yield fine(check, subject, f"granted {granted}s as asked for")
    for election in theirs:
        yield budget(election, granted)


def budget(election: ElectionSpec, granted_seconds: int | None = None) -> Finding:
    """Does the TTL hold what it must: as granted, or as the file has it."""
    spent = timing.budget(election, None if granted_seconds is None else float(granted_seconds))
    if spent.problem is None:
        return fine("budget", election.name, str(spent))
    why = "processes would not be dead by the time that another node may lead, so this one does not stand for election"
    remedy = spent.remedy or "raise ttl"
    if granted_seconds is not None and granted_seconds < election.ttl_seconds:
        remedy = remedy.replace("raise ttl to", "have leases granted of at least")  # the file's is long enough
    return problem("budget", election.name, spent.problem, why=why, remedy=remedy)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
