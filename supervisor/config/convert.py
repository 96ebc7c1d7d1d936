"""A valid file to the Spec it asks for.

Promises: where the file is silent, ``core.spec``'s own default holds; it is stated nowhere else. Does not: check
anything: a model that reaches this has passed ``schema`` and ``relations``.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

from supervisor.config import (
    birth_schema,
    control_schema,
    kinds,
    outside_schema,
    probe_schema,
    process_schema,
    schema,
    values,
)
from supervisor.config.outside_values import ALL
from supervisor.core.birth import Capabilities, CgroupSpec, SocketKind, SocketSpec
from supervisor.core.names import ElectionName, NodeName, ProcessId, ProcessName, Role
from supervisor.core.outside import MetricsSpec, NotifySpec, WebhookSpec, WebSpec
from supervisor.core.spec import (
    AuthSpec,
    ElectionSpec,
    EtcdSpec,
    HookKind,
    HookSpec,
    HttpSpec,
    LogSpec,
    LogTarget,
    ProbeKind,
    ProbeSpec,
    ProbeTls,
    ProcessKind,
    ProcessSpec,
    ProclaimSpec,
    RestartPolicy,
    RestartSpec,
    Spec,
    StopSpec,
    TlsSpec,
    hook_name,
)

T = TypeVar("T")
K = TypeVar("K")

HOOK_STOP_SECONDS = 1.0
"""Between SIGTERM and SIGKILL for a hook whose occasion is over."""
_NOBODY = ElectionName("")


@lru_cache(maxsize=1000)
def _one(value: T) -> T:
    """One object for equal values, also where they arrive: hundreds of processes say the same, or nothing, of most things."""
    return value


@lru_cache(maxsize=1000)
def _one_dict(items: tuple[tuple[K, T], ...]) -> Mapping[K, T]:
    """Likewise, a mapping: most are empty."""
    return dict(items)


def _or(value: T | None, default: T) -> T:
    return default if value is None else value


def spec(file: schema.File, node: NodeName) -> Spec:
    """The Spec of a file on a node. ``local_etcd`` stays None, and ``endpoints`` empty when the file names none."""
    return Spec(
        node=node,
        etcd=_etcd(file.etcd or schema.Etcd()),
        elections={ElectionName(name): _election(ElectionName(name), e) for name, e in (file.elections or {}).items()},
        processes=_processes(_NOBODY, Role.ALWAYS, file.processes or {}),
        metrics=None
        if file.metrics is None
        else MetricsSpec(host=file.metrics.address[0], port=file.metrics.address[1]),
        web=None if file.web is None else _web(file.web),
        notify={name: _notify(name, n) for name, n in (file.notify or {}).items()},
        control=control_schema.spec(file.control),
    )


def _web(web: outside_schema.Web) -> WebSpec:
    host, port = web.address
    return WebSpec(
        host=host,
        port=port,
        logs=_or(web.logs, default=False),
        names=tuple(dict.fromkeys(name.lower() for name in web.names or ())),
    )


def _notify(name: str, notify: outside_schema.Notify) -> NotifySpec:
    default = NotifySpec(name=name, events=())
    command: tuple[str, ...] = ()
    if notify.command is not None:
        first, *arguments = notify.command
        command = (values.program(first, "", Path(first.directory)), *map(str, arguments))
    webhook = notify.webhook
    return NotifySpec(
        name=name,
        events=() if ALL in notify.events else tuple(dict.fromkeys(notify.events)),
        elections=tuple(notify.elections or ()),
        command=command,
        user=notify.user,
        webhook=None if webhook is None else WebhookSpec(url=webhook.url, headers=webhook.headers or {}, ca=webhook.ca),
        timeout_seconds=_or(notify.timeout, default.timeout_seconds),
        retries=_or(notify.retries, default.retries),
        backoff_min_seconds=notify.backoff[0] if notify.backoff else default.backoff_min_seconds,
        backoff_max_seconds=notify.backoff[1] if notify.backoff else default.backoff_max_seconds,
    )


def _etcd(etcd: schema.Etcd) -> EtcdSpec:
    tls, auth = etcd.tls, etcd.auth
    return EtcdSpec(
        endpoints=tuple(etcd.endpoints or ()),
        discovery_srv=etcd.discovery_srv,
        discovery_srv_name=etcd.discovery_srv_name,
        namespace=_or(etcd.namespace, EtcdSpec().namespace),
        tls=None if tls is None else TlsSpec(ca=tls.ca, cert=tls.cert, key=tls.key, server_name=tls.server_name),
        auth=None if auth is None else AuthSpec(user=auth.user, password_file=auth.password_file),
        campaign=_or(etcd.campaign, EtcdSpec().campaign),
    )


def _election(name: ElectionName, election: schema.Election) -> ElectionSpec:
    default = ElectionSpec(name=name)
    proclaim = election.proclaim or schema.Proclaim()
    return ElectionSpec(
        name=name,
        ttl_seconds=_or(election.ttl, default.ttl_seconds),
        lost_grace_seconds=election.lost_grace,
        safety_margin_seconds=election.safety_margin,
        campaign_timeout_seconds=election.campaign_timeout,
        proclaim=ProclaimSpec(
            every_seconds=_or(proclaim.every, default.proclaim.every_seconds),
            value=_or(proclaim.value, default.proclaim.value),
        ),
        takeover_guard=_or(election.takeover_guard, default.takeover_guard),
        on_giveup=_or(election.on_giveup, default.on_giveup),
        cooldown_min_seconds=election.cooldown[0] if election.cooldown else default.cooldown_min_seconds,
        cooldown_max_seconds=election.cooldown[1] if election.cooldown else default.cooldown_max_seconds,
        campaign_when=_or(election.campaign_when, default.campaign_when),
        priority=_or(election.priority, default.priority),
        priority_cooldown_seconds=_or(election.priority_cooldown, default.priority_cooldown_seconds),
        reload=_or(election.reload, default.reload),
        history=_or(election.history, default.history),
        leader=_processes(name, Role.LEADER, (election.leader and election.leader.processes) or {}),
        follower=_processes(name, Role.FOLLOWER, (election.follower and election.follower.processes) or {}),
        hooks=_hooks(name, election),
    )


def _hooks(election: ElectionName, section: schema.Election) -> dict[ProcessName, HookSpec]:
    leader = None if section.leader is None else section.leader.hooks
    follower = None if section.follower is None else section.follower.hooks
    written: list[tuple[HookKind, Role, process_schema.Hook | None]] = []
    if leader is not None:
        written += [
            (HookKind.ELECTED, Role.LEADER, leader.elected),
            (HookKind.DEMOTED, Role.LEADER, leader.demoted),
            (HookKind.GAVE_UP, Role.LEADER, leader.gave_up),
        ]
    if follower is not None:
        written += [
            (HookKind.LEADER_CHANGED, Role.FOLLOWER, follower.leader_changed),
            (HookKind.GAVE_UP, Role.FOLLOWER, follower.gave_up),
        ]
    found = [_hook(election, kind, role, hook) for kind, role, hook in written if hook is not None]
    return {hook.process.id.name: hook for hook in found}


def _hook(election: ElectionName, kind: HookKind, role: Role, hook: process_schema.Hook) -> HookSpec:
    process = ProcessSpec(
        id=ProcessId(election, hook_name(kind, role)),
        role=role,
        command=_command(hook.command, hook),
        directory=hook.directory,
        environment=hook.environment or {},
        environment_files=tuple(hook.environment_files or ()),
        user=hook.user,
        umask=hook.umask,
        limits=hook.limits or {},
        restart=RestartSpec(policy=RestartPolicy.NEVER),
        stop=StopSpec(timeout_seconds=HOOK_STOP_SECONDS),
    )
    made = HookSpec(kind=kind, process=process)
    return made if hook.timeout is None else HookSpec(kind=kind, process=process, timeout_seconds=hook.timeout)


def _processes(
    election: ElectionName, role: Role, processes: Mapping[str, process_schema.Process]
) -> dict[ProcessName, ProcessSpec]:
    return {
        (pid := ProcessId(election, ProcessName(name))).name: _process(pid, role, process)
        for name, process in processes.items()
    }


def _process(pid: ProcessId, role: Role, process: process_schema.Process) -> ProcessSpec:
    command = _command(process.command, process)
    default = ProcessSpec(id=pid, role=role, command=command)
    return ProcessSpec(
        id=pid,
        role=role,
        command=command,
        directory=process.directory,
        environment=_one_dict(tuple((process.environment or {}).items())),
        environment_files=tuple(process.environment_files or ()),
        pass_environment=tuple(dict.fromkeys(process.pass_environment or ())),
        user=process.user,
        umask=process.umask,
        limits=_one_dict(tuple((process.limits or {}).items())),
        groups=None if process.groups is None else tuple(dict.fromkeys(process.groups)),
        nice=process.nice,
        scheduling=process.scheduling,
        ionice=process.ionice,
        oom_score_adj=process.oom_score_adj,
        cpu_affinity=_or(process.cpu_affinity, default.cpu_affinity),
        capabilities=_capabilities(process.capabilities),
        no_new_privileges=_or(process.no_new_privileges, default.no_new_privileges),
        private_tmp=_or(process.private_tmp, default.private_tmp),
        cgroup=_cgroup(process.cgroup),
        sockets=_one_dict(tuple((name, _socket(one)) for name, one in (process.sockets or {}).items())),
        pty=_or(process.pty, default.pty),
        kind=_or(process.kind, default.kind),
        timeout_seconds=process.timeout,
        needs=_one_dict(tuple((ProcessName(name), need) for name, need in (process.needs or {}).items())),
        ready=None if process.ready is None else _one(_probe(process.ready, process)),
        health=None if process.health is None else _one(_probe(process.health, process)),
        restart=_one(
            _restart(process.restart or process_schema.Restart(), default.restart, _or(process.kind, default.kind))
        ),
        stop=_one(_stop(process.stop or process_schema.Stop(), default.stop, process)),
        log=_one(_log(process.log or process_schema.Log(), default.log)),
    )


def _capabilities(capabilities: birth_schema.Capabilities | None) -> Capabilities | None:
    if capabilities is None:
        return None
    names = _or(capabilities.keep, capabilities.drop or [])
    return Capabilities(names=tuple(sorted(set(names))), keep=capabilities.keep is not None)


def _cgroup(cgroup: birth_schema.Cgroup | None) -> CgroupSpec | None:
    if cgroup is None:
        return None
    return CgroupSpec(
        memory_bytes=cgroup.memory,
        memory_high_bytes=cgroup.memory_high,
        swap_bytes=cgroup.swap,
        cpu_percent=cgroup.cpu,
        cpu_weight=cgroup.cpu_weight,
        pids=cgroup.pids,
        io_weight=cgroup.io_weight,
        best_effort=_or(cgroup.best_effort, CgroupSpec().best_effort),
    )


def _socket(socket: birth_schema.Socket) -> SocketSpec:
    default = SocketSpec(kind=SocketKind.TCP)
    return SocketSpec(
        kind=socket.listen.kind,
        host=socket.listen.host,
        port=socket.listen.port,
        path=socket.listen.path,
        backlog=_or(socket.backlog, default.backlog),
        mode=_or(socket.mode, default.mode),
        owner=socket.owner,
        reuse_port=_or(socket.reuse_port, default.reuse_port),
    )


def _command(words: list[kinds.Word], process: process_schema.Process | process_schema.Hook) -> tuple[str, ...]:
    first, *arguments = words
    program = values.program(first, process.directory or "", Path(first.directory))
    command: tuple[str, ...] = _one((_one(program), *(_one(str(word)) for word in arguments)))
    return command


def _probe(probe: probe_schema.Ready | probe_schema.Health, process: process_schema.Process) -> ProbeSpec:
    kind = next(kind for kind in ProbeKind if getattr(probe, kind.value, None) is not None)
    watchdog = probe.watchdog if isinstance(probe, probe_schema.Health) else None
    default = ProbeSpec(kind=kind)
    section = probe.http if probe.http is not None else probe.grpc
    return ProbeSpec(
        kind=kind,
        command=() if probe.exec is None else _command(probe.exec, process),
        url="" if probe.http is None else probe.http.url,
        http=default.http if probe.http is None else _http(probe.http),
        address=probe.tcp or ("" if probe.grpc is None else probe.grpc.address),
        service=(probe.grpc and probe.grpc.service) or "",
        tls=None if section is None or section.tls is None else _probe_tls(section.tls),
        pattern=(probe.log if isinstance(probe, probe_schema.Ready) else None) or "",
        initial_delay_seconds=_or(probe.initial_delay, default.initial_delay_seconds),
        every_seconds=_or(probe.every if watchdog is None else watchdog, default.every_seconds),
        timeout_seconds=_or(probe.timeout, default.timeout_seconds),
        # A sign of life that is due has been waited for already.
        failures=_or(probe.failures, default.failures if watchdog is None else 1),
        successes=_or(probe.successes, default.successes),
        within_seconds=probe.within if isinstance(probe, probe_schema.Ready) else None,
        action=_or(probe.on_failure, default.action) if isinstance(probe, probe_schema.Health) else default.action,
    )


def _http(http: probe_schema.Http) -> HttpSpec:
    default = HttpSpec()
    body, pattern = _or(http.body, (default.body, default.pattern))
    return HttpSpec(
        method=_or(http.method, default.method),
        headers=tuple((http.headers or {}).items()),
        statuses=default.statuses if http.status is None else tuple(sorted(set(http.status))),
        body=body,
        pattern=pattern,
        socket=http.socket,
    )


def _probe_tls(tls: probe_schema.ProbeTls) -> ProbeTls:
    return ProbeTls(
        ca=tls.ca,
        cert=tls.cert,
        key=tls.key,
        server_name=tls.server_name,
        insecure=_or(tls.insecure, ProbeTls().insecure),
    )


def _restart(restart: process_schema.Restart, default: RestartSpec, kind: ProcessKind) -> RestartSpec:
    policy = RestartPolicy.ON_FAILURE if kind is ProcessKind.TASK else default.policy
    backoff = _or(restart.backoff, (default.backoff_min_seconds, default.backoff_max_seconds))
    limit = _or(restart.limit, (default.limit, default.period_seconds))
    expected = restart.expected
    return RestartSpec(
        policy=_or(restart.policy, policy),
        expected_exit_codes=default.expected_exit_codes if expected is None else tuple(sorted(set(expected))),
        backoff_min_seconds=backoff[0],
        backoff_max_seconds=backoff[1],
        limit=limit[0],
        period_seconds=limit[1],
        reset_after_seconds=_or(restart.reset_after, default.reset_after_seconds),
    )


def _stop(stop: process_schema.Stop, default: StopSpec, process: process_schema.Process) -> StopSpec:
    steps = stop.signals or [(_or(stop.signal, default.signal), _or(stop.timeout, default.timeout_seconds))]
    names, times = zip(*steps, strict=True)
    passed = list(accumulate(times))
    return StopSpec(
        signal=names[0],
        timeout_seconds=passed[-1],
        then=tuple(zip(names[1:], passed[:-1], strict=True)),
        to=_or(stop.to, default.to),
        before=() if stop.before is None else _command(stop.before, process),
        before_timeout_seconds=_or(stop.before_timeout, default.before_timeout_seconds),
    )


def _log(log: process_schema.Log, default: LogSpec) -> LogSpec:
    syslog = log.syslog or process_schema.Syslog()
    return LogSpec(
        targets=None if log.to is None else tuple(LogTarget(word) for word in log.to if word != "none"),
        file=log.file,
        stderr_file=log.stderr_file,
        max_size_bytes=_or(log.max_size, default.max_size_bytes),
        max_age_seconds=log.max_age,
        keep=_or(log.keep, default.keep),
        compress=_or(log.compress, default.compress),
        json=_or(log.format, default.json),
        timestamps=_or(log.timestamps, default.timestamps),
        prefix=log.prefix,
        syslog_facility=_or(syslog.facility, default.syslog_facility),
        syslog_format=_or(syslog.format, default.syslog_format),
    )
