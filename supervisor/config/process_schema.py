"""The shape of a process and of a hook.

Promises, and does not: as ``schema``, which takes them over.
"""

from typing import Annotated

from supervisor.config import birth_schema, life_relations, log_values, values
from supervisor.config.kinds import (
    Command,
    Environment,
    EnvironmentFile,
    Path,
    Seconds,
    SecondsOrNone,
    Switch,
    Umask,
    User,
    one_of,
    one_or_more,
)
from supervisor.config.probe_schema import Health, Ready
from supervisor.config.shape import Before, Whole, section, single
from supervisor.core.birth import Scheduling
from supervisor.core.spec import Need, ProcessKind, RestartPolicy, StopTo, SyslogFormat


@section
class Restart:
    """``restart`` of a process: what follows an exit."""

    policy: Annotated[RestartPolicy, one_of(RestartPolicy)] | None = None
    """After which exits it is started again; `on-failure`: after a signal, or an exit code that is not expected.

    Class: live. Default: always; of a task on-failure. Example: on-failure"""

    expected: list[Annotated[int, single(values.expected_exit_code)]] | None = None
    """Exit codes, 0 to 255, that are no failure.

    Class: live. Example: [0, 3]"""

    backoff: Annotated[tuple[float, float], single(values.backoff_seconds)] | None = None
    """The first and the longest pause before a restart; doubled each time. Two durations, or one for both.

    Class: live. Example: 500ms..1m"""

    limit: Annotated[tuple[int | None, float], single(values.restart_limit)] | None = None
    """So many restarts in so much time: one more, and the process has given up. Or `unlimited`.

    Class: live. Example: 3 per 10m"""

    reset_after: Seconds | None = None
    """A child that ran this long was no failed start: the pauses begin anew. A duration.

    Class: live. Example: 30s"""


@section
class Stop:
    """``stop`` of a process: how it is asked to end. SIGKILL follows for everything that is left of it."""

    signal: Annotated[str, single(values.signal_name)] | None = None
    """The signal that asks it to end.

    Class: live. Example: SIGINT"""

    timeout: SecondsOrNone | None = None
    """The time between that signal and SIGKILL; a duration. A lost lease may leave it less.

    Class: live. Example: 30s"""

    signals: list[Annotated[tuple[str, float], single(values.stop_step)]] | None = None
    """Instead of the two: signals in order, each with the time until the next, the last one's until SIGKILL.

    Class: live. Default: signal and timeout say it. Example: [SIGINT 5s, SIGTERM 10s]"""

    to: Annotated[StopTo, one_of(StopTo)] | None = None
    """Who gets the signals: the `main` process, its process `group`, or `all` that it has started.

    Class: live. Example: main"""

    before: Command | None = None
    """A command that is run before the first signal, beside the process and as its user. Not when a lease is lost.

    Class: live. Default: none. Example: [/usr/local/bin/drain]"""

    before_timeout: Seconds | None = None
    """It is killed, and the first signal sent, after this long; a duration.

    Class: live. Example: 20s"""


@section
class Syslog:
    """``log.syslog`` of a process."""

    facility: Annotated[str, single(log_values.facility)] | None = None
    """The facility of its messages.

    Class: live. Example: local3"""

    format: Annotated[SyslogFormat, one_of(SyslogFormat)] | None = None
    """How a message is written.

    Class: live. Example: rfc5424"""


@section
class Log:
    """``log`` of a process: where its output goes. The last 64 KiB stay in memory whatever is asked for here."""

    to: Annotated[list[Annotated[str, single(log_values.log_target)]], Before(one_or_more)] | None = None
    """Where lines go: one of them or a list, or `none`.

    Class: live. Default: file if one is named, else stdout. Example: [file, journal]"""

    file: Path | None = None
    """The log file, relative to this one. Its directory must exist.

    Class: live. Default: none. Example: /var/log/billing.log"""

    stderr_file: Path | None = None
    """stderr goes here instead of to `file`; rotated as that is.

    Class: live. Default: stderr goes where stdout goes. Example: /var/log/billing.err"""

    max_size: Annotated[int, single(log_values.log_size)] | None = None
    """The file is rotated before it would become larger; a size of 1kB or more, or `off`.

    Class: live. Example: 100MB"""

    max_age: Annotated[float, single(log_values.log_age)] | None = None
    """The file is rotated at each multiple of this in UTC, `1d` at midnight; a duration of 1m or more.

    Class: live. Default: never by age. Example: 1d"""

    keep: Annotated[int, single(log_values.keep)] | None = None
    """How many old files are kept.

    Class: live. Example: 14"""

    compress: Annotated[bool, single(log_values.compression)] | None = None
    """Whether old files are packed.

    Class: live. Example: gzip"""

    format: Annotated[bool, single(log_values.log_format)] | None = None
    """`json`: every line is one JSON object; one that is already is passed on as it is, any other is put into one.

    Class: live. Example: json"""

    timestamps: Switch | None = None
    """Whether each line begins with the time at which it was read (UTC).

    Class: live. Example: on"""

    prefix: Switch | None = None
    """Whether each line begins with the names of election and process.

    Class: live. Default: on for stdout, else off. Example: off"""

    syslog: Syslog | None = None
    """More about `to: syslog`.

    Class: as its keys. Default: as its keys say. Example: {facility: local3}"""


@section
class Process:
    """A process, by name under ``processes`` of a role or of the file. Only `command` is required."""

    command: Command
    """The program and its arguments: a list is executed as it is, a text is split in words. No shell reads either. A path is
    relative to `directory`, else to this file; a bare name is looked up on PATH.

    Class: restart. Default: required. Example: [/usr/bin/billing, --port, "8080"]"""

    directory: Path | None = None
    """The directory it starts in, relative to this file.

    Class: restart. Default: the supervisor's. Example: /srv/billing"""

    environment: Environment | None = None
    """Variables of its own. They win over `environment_files`, `pass_environment` and what the supervisor passes on.

    Class: restart. Default: none. Example: {LOG_LEVEL: info}"""

    environment_files: list[EnvironmentFile] | None = None
    """Files of variables, read at each start in this order; `-PATH` may be missing.

    Class: restart. Default: none. Example: [/etc/default/billing]"""

    pass_environment: birth_schema.PassedVariables | None = None
    """Variables of the supervisor's own environment that it gets, too.

    Class: restart. Default: none beyond PATH, the language and the time zone. Example: [HTTP_PROXY]"""

    user: User | None = None
    """The user it runs as: `name` or `name:group`; numbers allowed.

    Class: restart. Default: the supervisor's. Example: billing:www"""

    umask: Umask | None = None
    """Its file mode mask, in octal.

    Class: restart. Default: the supervisor's. Example: '027'"""

    limits: birth_schema.Limits | None = None
    """Its rlimits by name without RLIMIT_: a number, a size, `unlimited`, or soft and hard as `1024:65536`.

    Class: restart. Default: the supervisor's. Example: {nofile: 65536}"""

    groups: birth_schema.Groups | None = None
    """Exactly these supplementary groups, by name or number; `[]` is none.

    Class: restart. Default: those that the user database gives its user. Example: [video, 44]"""

    nice: birth_schema.Nice | None = None
    """-20, served first, to 19. Below the supervisor's own needs root.

    Class: restart. Default: the supervisor's. Example: 5"""

    scheduling: Annotated[Scheduling, one_of(Scheduling)] | None = None
    """How the CPU is shared with others (sched(7)). Real-time policies would outrun the guardian, and are refused.

    Class: restart. Default: the supervisor's. Example: batch"""

    ionice: birth_schema.IoNice | None = None
    """Whose reads and writes are served first: `idle`, or a class (`best-effort`, `realtime`) with a level from 0 to 7.

    Class: restart. Default: what nice makes of it. Example: {class: best-effort, level: 6}"""

    oom_score_adj: birth_schema.OomScoreAdj | None = None
    """-1000 to 1000: the higher, the earlier is it chosen when memory runs out. Below the supervisor's own needs root.

    Class: restart. Default: the supervisor's. Example: 500"""

    cpu_affinity: birth_schema.Cpus | None = None
    """The CPUs it may run on, by number.

    Class: restart. Default: all that the supervisor may use. Example: '0-3,6'"""

    capabilities: birth_schema.Capabilities | None = None
    """Which of root's powers it may have.

    Class: as its keys. Default: what the kernel gives its user. Example: {keep: [net_bind_service]}"""

    no_new_privileges: Switch | None = None
    """Whether nothing that it executes may gain privileges by set-user-ID or file capabilities.

    Class: restart. Example: on"""

    private_tmp: Switch | None = None
    """Whether it has a /tmp and /var/tmp of its own, empty at each start. Needs root.

    Class: restart. Example: on"""

    cgroup: birth_schema.Cgroup | None = None
    """Limits that all it starts share. Needs cgroup v2.

    Class: as its keys. Default: no limits. Example: {memory: 512MB, cpu: 150%}"""

    sockets: birth_schema.Sockets | None = None
    """Listening sockets that are opened for it and stay open while it restarts, by name (see *A socket*); passed from
    descriptor 3 on (sd_listen_fds(3)).

    Class: restart. Default: none. Example: {http: "tcp://0.0.0.0:8080"}"""

    pty: Switch | None = None
    """Whether its stdout and stderr are one pseudo terminal, so that it writes line by line.

    Class: restart. Example: on"""

    instances: birth_schema.Instances | None = None
    """How many processes this declaration stands for: NAME-1, NAME-2 and so on. `{instance}` is the number in every value.
    A change starts or stops the difference.

    Class: live. Default: one, of this name. Example: 4"""

    kind: Annotated[ProcessKind, one_of(ProcessKind)] | None = None
    """Whether it is to run on (`service`) or to end (`task`): once in each term, standby period or life of the daemon.

    Class: restart. Example: task"""

    timeout: Seconds | None = None
    """Of a task: one run that takes longer is stopped and has failed; a duration.

    Class: live. Default: as long as it likes. Example: 5m"""

    needs: Annotated[dict[str, Need], Whole(life_relations.needs)] | None = None
    """Processes of the same role that must be ready before it is started, in a list; or a mapping to `ready`, `healthy` or
    `completed`.

    Class: live. Default: none. Example: {migrate: completed, db: healthy}"""

    ready: Ready | None = None
    """How to tell that it can serve. Asked until it passes; then those that need it are started.

    Class: as its keys. Default: ready as soon as it runs. Example: {tcp: "127.0.0.1:8080", within: 30s}"""

    health: Health | None = None
    """How to tell that it is well. Asked again and again, and proclaimed.

    Class: as its keys. Default: not asked. Example: {http: "http://127.0.0.1:8080/healthz", on_failure: restart}"""

    restart: Restart | None = None
    """What follows an exit.

    Class: as its keys. Default: as its keys say. Example: {policy: on-failure, limit: 3 per 10m}"""

    stop: Stop | None = None
    """How it is asked to end.

    Class: as its keys. Default: as its keys say. Example: {signal: SIGINT, timeout: 30s}"""

    log: Log | None = None
    """Where its output goes.

    Class: as its keys. Default: as its keys say. Example: {file: /var/log/billing.log, max_age: 1d}"""


@section
class Hook:
    """A hook of an election: a command, or a mapping that says more about it."""

    command: Command
    """The program and its arguments, as for a process.

    Class: live. Default: required. Example: [/usr/local/bin/vip, up]"""

    timeout: Seconds | None = None
    """It is killed after this long, and has failed; a duration.

    Class: live. Example: 3s"""

    directory: Path | None = None
    """The directory it starts in, relative to this file.

    Class: live. Default: the supervisor's. Example: /srv/billing"""

    environment: Environment | None = None
    """Variables of its own.

    Class: live. Default: none. Example: {LOG_LEVEL: info}"""

    environment_files: list[EnvironmentFile] | None = None
    """Files of variables, read each time it is run.

    Class: live. Default: none. Example: [/etc/default/billing]"""

    user: User | None = None
    """The user it runs as: `name` or `name:group`; numbers allowed.

    Class: live. Default: the supervisor's. Example: billing"""

    umask: Umask | None = None
    """Its file mode mask, in octal.

    Class: live. Default: the supervisor's. Example: '027'"""

    limits: birth_schema.Limits | None = None
    """Its rlimits, as for a process.

    Class: live. Default: the supervisor's. Example: {nofile: 1024}"""
