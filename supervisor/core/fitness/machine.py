"""Is this machine fit: its clocks, what a guardian gets here, what holds processes together, the unit.

Promises: what a running daemon has counts before what a trial got; what the unit gives counts before what this shell has.
"""

import math
from collections.abc import Iterator

from supervisor.core.fitness import places
from supervisor.core.fitness.facts import ClockFacts, GuardianFacts, MachineFacts, TrialFacts, UnitFacts
from supervisor.core.fitness.finding import Finding, fine, problem, warn

SLOW_SOURCES = frozenset({"hpet", "acpi_pm", "pit", "jiffies", "refined-jiffies"})
MOST_STEAL = 0.05
BASE_DESCRIPTORS = 64
DESCRIPTORS_EACH = 4
SPARE_PROCESSES = 32
_TIMES = 4
"""What is enough today should be this many times what is needed: probes, hooks and forks come on top."""
_DROP_IN = "in a drop-in of the unit (systemctl edit {name})"


def findings(facts: MachineFacts) -> list[Finding]:
    """All of them."""
    found: list[Finding] = []
    if facts.clock is not None:
        found += _clock(facts.clock)
    if facts.guardian is not None:
        found += _guardian(facts.guardian, facts.unit, facts.processes)
    if facts.trial is not None:
        found += [
            *_deathsig(facts.trial),
            *_containment(facts, facts.trial),
            *_nproc(facts.trial, facts.processes, facts.uid),
        ]
    if facts.unit is not None:
        found += [*_unit(facts.unit), *_stop(facts.unit, facts.stop_seconds)]
    for place in facts.places:
        found += places.findings(place, facts.uid)
    return found


# --- clocks --------------------------------------------------------------------------------------------------------


def _clock(clock: ClockFacts) -> Iterator[Finding]:
    source = clock.source
    if source is None:
        yield warn(
            "clock.source", "", "this machine does not say", why="a clock that drifts or jumps makes a deadline late",
            remedy="look at /sys/devices/system/clocksource",
        )  # fmt: skip
    elif source in SLOW_SOURCES:
        others = [name for name in clock.available if name not in SLOW_SOURCES]
        remedy = (
            f"write {others[0]} to /sys/devices/system/clocksource/clocksource0/current_clocksource" if others else ""
        )
        remedy = remedy or "see the kernel's log for why it does not trust the processor's own (often 'tsc unstable')"
        why = "the kernel falls back to it when it has found the better clock to be wrong; each look at it is slow"
        yield warn("clock.source", "", source, why=why, remedy=remedy)
    else:
        yield fine("clock.source", "", source)
    if clock.suspended_seconds > 1:
        seen = f"this machine was suspended for {clock.suspended_seconds:.0f} s since its boot"
        why = "its leases run out meanwhile, and its processes are killed when it wakes"
        remedy = "forbid it: systemctl mask sleep.target suspend.target hibernate.target"
        yield warn("clock.suspend", "", seen, why=why, remedy=remedy)
    else:
        yield fine(
            "clock.suspend",
            "",
            "never suspended since its boot; deadlines are kept by CLOCK_BOOTTIME, which would count it",
        )
    if clock.steal_share is not None and clock.steal_share > MOST_STEAL:
        seen = f"the hypervisor took {clock.steal_share:.0%} of this machine's processor time since its boot"
        why = "whoever does not run cannot renew, and may be late to kill"
        yield warn(
            "clock.steal",
            "",
            seen,
            why=why,
            remedy="give the machine processors of its own, or raise ttl and safety_margin",
        )
    elif clock.hypervisor:
        share = "an unknown share" if clock.steal_share is None else f"{clock.steal_share:.1%}"
        seen = f"a virtual machine; {share} of its time was taken; while it is paused as a whole it cannot know that time goes by"
        yield fine("clock.steal", "", seen)


# --- the guardian --------------------------------------------------------------------------------------------------


def _guardian(got: GuardianFacts, unit: UnitFacts | None, processes: int) -> Iterator[Finding]:
    trial = not got.of.startswith("the running")
    # A trial in this shell says nothing about what the unit gives.
    named = unit.name if trial and unit is not None else got.of
    locked = unit.memlock == -1 if trial and unit is not None else got.memory_locked
    realtime = unit.rtprio != 0 if trial and unit is not None else got.realtime
    nofile = unit.nofile if trial and unit is not None else got.nofile
    said = {word.split()[0]: word for word in got.words} if trial and unit is None else {}
    if locked:
        yield fine("guardian.memory", named, "locked in memory")
    else:
        seen = said.get("memory", "not locked in memory")
        why = "a guardian that was swapped out kills late when the machine is short of memory"
        yield warn(
            "guardian.memory",
            named,
            seen,
            why=why,
            remedy="LimitMEMLOCK=infinity in the unit, or run as root, or 'ulimit -l unlimited'",
        )
    if realtime:
        yield fine("guardian.scheduling", named, "runs before others (SCHED_RR)")
    else:
        seen = next((w for w in said.values() if "real time" in w or "ordinary" in w), "an ordinary priority")
        why = "on a busy machine it is late to kill; the safety margin has to pay for it"
        remedy = (
            "LimitRTPRIO=10 in the unit, or run as root; in a cgroup v1 with RT_GROUP_SCHED give it cpu.rt_runtime_us"
        )
        yield warn("guardian.scheduling", named, seen, why=why, remedy=remedy)
    if trial and unit is not None:
        yield from _descriptors(named, nofile, processes)
        return
    if got.oom_score_adj >= 0:
        why = "when memory runs out, the kernel may end it first, and all of its processes with it"
        yield warn(
            "guardian.oom",
            named,
            f"oom_score_adj {got.oom_score_adj}",
            why=why,
            remedy="OOMScoreAdjust=-900 in the unit; in a container, give it CAP_SYS_RESOURCE",
        )
    else:
        yield fine("guardian.oom", named, f"oom_score_adj {got.oom_score_adj}")
    yield from _descriptors(named, nofile, processes)


def _descriptors(named: str, nofile: int, processes: int) -> Iterator[Finding]:
    check, needed = "limits.nofile", BASE_DESCRIPTORS + DESCRIPTORS_EACH * processes
    seen = f"{nofile if nofile >= 0 else 'no limit'}; about {needed} are needed for {processes} processes"
    remedy = "LimitNOFILE=524288 in the unit, or raise the hard limit (ulimit -Hn, /etc/security/limits.conf)"
    if 0 <= nofile < needed:
        why = "a process whose pipes cannot be opened is not started"
        yield problem(check, named, seen, why=why, remedy=remedy)
    elif 0 <= nofile < _TIMES * needed:
        yield warn(
            check,
            named,
            seen,
            why="probes, log readers and commands of the control socket need some, too",
            remedy=remedy,
        )
    else:
        yield fine(check, named, seen)


# --- processes -----------------------------------------------------------------------------------------------------


def _deathsig(trial: TrialFacts) -> Iterator[Finding]:
    if not trial.deathsig_error:
        yield fine("processes.deathsig", "", "a child ends with its guardian (PDEATHSIG)")
        return
    why = "when daemon and guardian are killed at once, leader processes go on while another node leads"
    remedy = "use a kernel, container or sandbox that has prctl(PR_SET_PDEATHSIG) and does not filter it"
    yield problem("processes.deathsig", "", trial.deathsig_error, why=why, remedy=remedy)


def _containment(facts: MachineFacts, trial: TrialFacts) -> Iterator[Finding]:
    check = "processes.cgroup"
    why = "without it, 'nothing is left' is known from sessions, descendants and a marker: a child that hides from all three is missed"
    remedy = "Delegate=yes in the unit; in a container a writable cgroup v2 of its own; as a user, systemd-run --user --scope -p Delegate=yes"
    if facts.containment:
        if facts.containment.startswith("cgroup"):
            yield fine(check, "the running daemon", "a cgroup v2 for each term")
        else:
            yield warn(check, "the running daemon", f"containment is {facts.containment}", why=why, remedy=remedy)
    elif facts.unit is not None:
        return  # what the unit delegates is said of the unit
    elif trial.cgroup:
        yield fine(check, "", f"a cgroup v2 of our own (tried under {trial.cgroup})")
    else:
        yield warn(check, "", trial.cgroup_error, why=why, remedy=remedy)


def _nproc(trial: TrialFacts, processes: int, uid: int) -> Iterator[Finding]:
    check, needed = "limits.nproc", SPARE_PROCESSES + processes
    # The limit of a user does not bind root.
    bounds = [bound for bound in (trial.nproc if uid else -1, trial.pids_max) if bound >= 0]
    if not bounds:
        yield fine(check, "", "no limit")
        return
    least = min(bounds)
    seen = f"{least}; about {needed} are needed for {processes} processes, beside what they fork"
    remedy = "TasksMax=infinity in the unit, or raise the limit (ulimit -u, pids.max of the container)"
    if least < needed:
        yield problem(check, "", seen, why="a process that cannot be forked is not started", remedy=remedy)
    elif least < _TIMES * needed:
        yield warn(check, "", seen, why="probes and hooks fork, and so do the commands", remedy=remedy)
    else:
        yield fine(check, "", seen)


# --- the unit ------------------------------------------------------------------------------------------------------


def _unit(unit: UnitFacts) -> Iterator[Finding]:
    place = _DROP_IN.format(name=unit.name)
    if unit.kill_mode == "process":
        yield fine("unit.killmode", unit.name, "KillMode=process")
    else:
        why = "when the daemon dies, systemd kills its guardian at once: the lease is not given back, and every failover waits for the TTL"
        yield problem(
            "unit.killmode", unit.name, f"KillMode={unit.kill_mode}", why=why, remedy=f"KillMode=process {place}"
        )
    if unit.delegate:
        yield fine("unit.delegate", unit.name, "Delegate=yes")
    else:
        why = "the cgroups below the unit are not ours: systemd may rearrange them, and limits cannot be set"
        yield warn("unit.delegate", unit.name, "Delegate=no", why=why, remedy=f"Delegate=yes {place}")
    if unit.watchdog_seconds > 0:
        yield fine("unit.watchdog", unit.name, f"WatchdogSec={unit.watchdog_seconds:g}")
    else:
        why = "a daemon that is stuck is not started again; its processes end with their lease, and it stays away"
        yield warn("unit.watchdog", unit.name, "no WatchdogSec", why=why, remedy=f"WatchdogSec=20 {place}")
    if not unit.notify:
        why = "systemd takes it for ready before it is in its queues, and hears neither its status nor its watchdog"
        yield warn("unit.type", unit.name, "Type is not notify", why=why, remedy=f"Type=notify {place}")
    if unit.restart in ("", "no"):
        why = "a daemon that died stays dead, and this node does not stand for election"
        yield warn("unit.restart", unit.name, "Restart=no", why=why, remedy=f"Restart=always {place}")


def _stop(unit: UnitFacts, needed: float | None) -> Iterator[Finding]:
    """Whether a stop by the file is over before systemd loses patience. A unit that is told of it gets more time, while we live."""
    if needed is None or unit.stop_seconds <= 0:  # no file, or no limit
        return
    seen = f"TimeoutStopSec={unit.stop_seconds:g}, and a stop by the file may take {needed:g} s"
    if needed <= unit.stop_seconds:
        yield fine("unit.stop", unit.name, seen)
        return
    why = "systemd kills the daemon in the middle of an orderly stop, and what still stops is killed with it"
    if unit.notify:
        why = (
            "a daemon that stops is given the time that it needs; but when it has died, its guardian's orderly stop is waited"
            " for only so long, and then the next daemon has it kill what still stops"
        )
    place = _DROP_IN.format(name=unit.name)
    remedy = f"TimeoutStopSec={math.ceil(needed)} {place}, or shorter stop.timeout in the file"
    yield warn("unit.stop", unit.name, seen, why=why, remedy=remedy)
