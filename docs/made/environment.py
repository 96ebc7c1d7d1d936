"""docs/reference/environment.md: every variable that the program gives or reads; the names are those in its source."""

import ast
import re

from docs.made.reading import MADE, agree, modules, table

PROCESS = {
    "SUPERVISOR_NODE": "the name of this node",
    "SUPERVISOR_ROLE": "`leader`, `follower` or `always`",
    "SUPERVISOR_PROCESS": "the name of the process",
    "SUPERVISOR_ELECTION": "the election; not of an always process",
    "SUPERVISOR_FENCING_TOKEN": "in a term: its fencing token, which rises with every term of the election ([fencing](../howto/fencing.md))",
    "SUPERVISOR_TERM": "in a term: its name, `billing#61`",
    "SUPERVISOR_ELECTION_KEY": "in a term: the leader's key in etcd; its create revision is the token",
    "SUPERVISOR_LEASE_ID": "in a term: the lease of that key, in hex",
    "SUPERVISOR_LEADER": "of a follower process, and the hook `leader_changed`: the node that leads, or a foreign candidate's key, as known at the start",
    "SUPERVISOR_STATE": "marks what belongs to one state directory: how a later daemon finds what an earlier one left. Not to be changed",
    "SUPERVISOR_RUN": "marks the run: how a child is found that has left its session. Not to be changed",
    "SUPERVISOR_MAIN_PID": "of `stop: {before: ...}`: the process that is to be stopped",
}
HOOKS = {
    "SUPERVISOR_HOOK": "`elected`, `demoted`, `gave_up` or `leader_changed`",
    "SUPERVISOR_CAUSE": "`demoted`: why the term ended, for people",
    "SUPERVISOR_LOST": "`demoted`: `1` when the lease or the key was lost, `0` when the office was given up willingly",
    "SUPERVISOR_LATE": "`demoted`: `1` when it runs outside of the term",
    "SUPERVISOR_GAVE_UP": "`gave_up`: the name of the process",
    "SUPERVISOR_LEADER_TOKEN": "`leader_changed`: the leader's fencing token",
    "SUPERVISOR_LEADER_VALUE": "`leader_changed`: its `proclaim.value` as JSON on one line",
}
NOTICES = {
    "SUPERVISOR_EVENT": "the event as JSON ([events](events.md))",
    "SUPERVISOR_EVENT_KIND, _AT, _ELECTION, _PROCESS, _TOKEN, _TEXT": "its parts; empty where it has none",
}
READ = {
    "SUPERVISOR_SOCKET": "where the control socket is, or is to be; `--socket` stands above it",
    "SUPERVISOR_STATE_DIR": "where the daemon keeps its state; `--state-dir` stands above it",
    "SUPERVISOR_ETCD_PASSWORD": "the password of `--user`, for verbs that ask etcd themselves",
    "SUPERVISOR_NAMESERVERS": "`host:port`, comma-separated: name servers for `discovery_srv`, instead of the machine's",
    "SUPERVISOR_CONTAINMENT": "`session`: the guardian uses no cgroups, though it could",
    "SUPERVISOR_COMPLETE": "set by the shell's completion: words are completed, nothing is done",
}
OTHERS = {
    "ETCDCTL_ENDPOINTS, _CACERT, _CERT, _KEY": "as etcdctl reads them, for verbs that ask etcd themselves; options stand above them",
    "XDG_RUNTIME_DIR, XDG_STATE_HOME, HOME": "where socket and state are for a user who is not root",
    "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID": "systemd's; taken, and never passed on",
    "JOURNAL_STREAM": "systemd's: whether the log goes to the journal, and bears priorities",
    "PATH": "where commands and a local etcd are looked for",
    "NO_COLOR, TERM": "whether there are colours",
}
CHILD = {
    "NOTIFY_SOCKET, WATCHDOG_USEC": "with `notify` or `watchdog`: where to say READY=1 and WATCHDOG=1",
    "LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES": "with `sockets`: sd_listen_fds(3)",
}
HEAD = """\
# Environment

What a command finds in its environment, and what the program reads in its own. What else a child gets, and in which order, is in
[processes](../processes.md#environment). Nothing overrides `SUPERVISOR_*`.

"""
FILE = """\
## In the file

`${VAR}` and `${VAR:-default}` may stand in every value of the file; what they come to is taken from the daemon's environment when the file is read.
Under systemd that is `/etc/default/supervisor` and what the unit sets, such as `CREDENTIALS_DIRECTORY`.
"""
PARTS = (
    ("Of every process", {**PROCESS, **CHILD}),
    ("Of hooks, beside these", HOOKS),
    ("Of a notification's command", NOTICES),
    ("Read by the program", {**READ, **OTHERS}),
)
PREFIXED = {
    "SUPERVISOR_HOOK",
    "SUPERVISOR_CAUSE",
    "SUPERVISOR_LOST",
    "SUPERVISOR_GAVE_UP",
    "SUPERVISOR_LEADER_TOKEN",
    "SUPERVISOR_LEADER_VALUE",
}
"""Put together from the prefix and a word of core/hooks.py."""
NO_VARIABLES = {"SUPERVISOR_STREAM"}
"""A field of the journal's."""


def page() -> str:
    """The page."""
    told = {name for _, part in PARTS for name in part if name.startswith("SUPERVISOR_") and "," not in name}
    agree("variables", told=told, there=_in_the_source())
    lines = []
    for title, part in PARTS:
        rows = [(", ".join(f"`{one}`" for one in name.split(", ")), text) for name, text in part.items()]
        lines += [f"## {title}", "", *table(("variable", "holds"), rows)]
    return (
        MADE.format(source="the names in the source and docs/made/environment.py")
        + HEAD
        + "\n".join(lines)
        + "\n"
        + FILE
    )


def _in_the_source() -> set[str]:
    """The names of ours that stand in strings of the program, but for those of docstrings and of SUPERVISOR_EVENT's parts."""
    found: set[str] = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} if re.fullmatch(r"SUPERVISOR_[A-Z_]*[A-Z]", node.value) else set()
                if path.name == "hooks.py" and f"SUPERVISOR_{node.value}" in PREFIXED:
                    found.add(f"SUPERVISOR_{node.value}")
                if path.name == "completion.py" and "SUPERVISOR_COMPLETE" in node.value:
                    found.add("SUPERVISOR_COMPLETE")
    return found - NO_VARIABLES
