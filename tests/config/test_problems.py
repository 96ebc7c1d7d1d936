"""Every kind of mistake, each at its exact line and column (the mark ¤), with words that help."""

from pathlib import Path

import pytest

from supervisor.config.problems import MAX_PROBLEMS
from tests.config.marked import check_marked, load_text, problems_of

PROCESS = "processes:\n  p:\n    command: [sleep, inf]\n"

SHAPE = {
    "unknown key": ("¤elektions: {}\n" + PROCESS, "unknown key 'elektions'; did you mean 'elections'?"),
    "unknown key without a likeness": (PROCESS + "¤q7: 1", "unknown key 'q7'; write one of: node, etcd, elections"),
    "unknown key in a process": (PROCESS + "    ¤enviroment: {}", "did you mean 'environment'?"),
    "a priority that is none": ("elections: {a: {priority: ¤high}}", "'high' is not a whole number"),
    "a hook of the other role": (
        "elections: {a: {follower: {hooks: {¤elected: [x]}}}}",
        "unknown key 'elected'; write one of: leader_changed, gave_up",
    ),
    "a hook that is misspelt": ("elections: {a: {leader: {hooks: {¤electd: [x]}}}}", "did you mean 'elected'?"),
    "a hook without its command": (
        "elections: {a: {leader: {hooks: {¤elected: {timeout: 5s}}}}}",
        "elected: 'command' is missing",
    ),
    "a hook whose program is missing": (
        "elections: {a: {leader: {hooks: {elected: [¤/no/such/program, up]}}}}",
        "the program '/no/such/program' does not exist",
    ),
    "a hook whose program is missing, said at length": (
        "elections: {a: {leader: {hooks: {demoted: {command: ¤/no/such/program down}}}}}",
        "the program '/no/such/program' does not exist",
    ),
    "a hook that sets a variable of ours": (
        "elections: {a: {leader: {hooks: {elected: {command: [x], environment: {¤SUPERVISOR_HOOK: y}}}}}}",
        "SUPERVISOR_HOOK is set by the supervisor",
    ),
    "campaign": ("etcd: {campaign: ¤grpc}\n" + PROCESS, "campaign: 'grpc' is not one of transaction, rpc"),
    "log of a health probe": (PROCESS + "    health: {tcp: 'a:1', ¤log: x}", "it belongs to 'ready'"),
    "notify of a health probe": (PROCESS + "    health: {tcp: 'a:1', ¤notify: on}", "has health: {watchdog: 10s}"),
    "watchdog of a ready probe": (PROCESS + "    ready: {tcp: 'a:1', ¤watchdog: 1s}", "it belongs to 'health'"),
    "unknown key of http": (PROCESS + "    ready: {http: {url: 'http://a', ¤header: {}}}", "did you mean 'headers'?"),
    "http without url": (PROCESS + "    ready: {¤http: {method: GET}}", "http: 'url' is missing; add 'url: http://"),
    "grpc without address": (PROCESS + "    ready: {¤grpc: {service: a}}", "grpc: 'address' is missing"),
    "processes forgotten": ("elections: {a: {leader: {¤api: {command: x}}}}", "declare processes under 'processes:'"),
    "within of a health probe": (PROCESS + "    health: {tcp: 'a:1', ¤within: 1s}", "it belongs to 'ready'"),
    "on_failure of a ready probe": (
        PROCESS + "    ready: {tcp: 'a:1', ¤on_failure: restart}",
        "it belongs to 'health'",
    ),
    "missing command": (
        "processes:\n  ¤p: {directory: /}",
        "p: 'command' is missing; add 'command: [program, argument]'",
    ),
    "process without anything": ("processes:\n  ¤p:", "p: 'command' is missing"),
    "auth without its user": (
        "etcd: {endpoints: [a:1], ¤auth: {password_file: /etc/passwd}}\n" + PROCESS,
        "'user' is missing",
    ),
    "process as a text": ("processes: {p: ¤sleep inf}", "p: 'sleep inf' stands where a mapping is expected"),
    "section as a list": ("elections: ¤[a]\n" + PROCESS, "elections: a list stands where a mapping is expected"),
    "list as a text": (PROCESS + "    needs: ¤db", "needs: 'db' stands where a list is expected; write [db]"),
    "list as nothing": (PROCESS + "    environment_files:¤\n", "nothing stands where a list is expected"),
    "mapping as a text": (PROCESS + "    environment: ¤A=1", "'A=1' stands where a mapping is expected"),
    "value as a list": (PROCESS + "    directory: ¤[a]", "directory: a list stands where a single value is expected"),
    "value as a mapping": (PROCESS + "    user: ¤{a: b}", "user: a mapping stands where a single value is expected"),
    "value as nothing": (PROCESS + "    user:¤\n", "user: nothing is written here"),
}

VALUES = {
    "node name": ("node: ¤a b\n" + PROCESS, "node: 'a b' cannot be a name"),
    "election name": ("elections: {¤-a: {}}", "elections: '-a' cannot be a name"),
    "process name": ("processes: {¤a/b: {command: x}}", "processes: 'a/b' cannot be a name"),
    "long name": ("elections: {¤" + "a" * 101 + ": {}}", "cannot be a name"),
    "ttl without unit": ("elections: {a: {ttl: ¤10}}", "ttl: 10 says no unit; write 10s"),
    "ttl too short": ("elections: {a: {ttl: ¤1s}}", "ttl: 1s is below etcd's minimum; write 2s or more"),
    "ttl too long": ("elections: {a: {ttl: ¤9000000001s}}", "is too long; write at most 9000000000s"),
    "ttl in parts of a second": ("elections: {a: {ttl: ¤2500ms}}", "whole seconds: write 3s"),
    "no duration": ("elections: {a: {campaign_timeout: ¤soon}}", "'soon' is not a duration; write a number and a unit"),
    "negative duration": ("elections: {a: {lost_grace: ¤-1s}}", "'-1s' is not a duration"),
    "no time at all": (PROCESS + "    ready: {tcp: 'a:1', every: ¤0s}", "0s is no time at all"),
    "no safety margin": ("elections: {a: {safety_margin: ¤0s}}", "0s is no time at all"),
    "endless duration": (PROCESS + "    stop: {timeout: ¤999999h}", "is too long"),
    "proclaim.every": ("elections: {a: {proclaim: {every: ¤999ms}}}", "999ms is too often; write 1s or more"),
    "takeover_guard": ("elections: {a: {takeover_guard: ¤of}}", "is neither on nor off; did you mean 'off'?"),
    "on_giveup": ("elections: {a: {on_giveup: ¤resing}}", "is not one of resign, stay; did you mean 'resign'?"),
    "reload": ("elections: {a: {reload: ¤never}}", "is not one of keep, resign"),
    "namespace": ("etcd: {namespace: ¤/a//b}\n" + PROCESS, "'/a//b' cannot be a namespace"),
    "namespace of nothing": ("etcd: {namespace: ¤/}\n" + PROCESS, "cannot be a namespace"),
    "no endpoints": ("etcd: {endpoints: ¤[]}\n" + PROCESS, "there are no endpoints"),
    "endpoint without port": ("etcd: {endpoints: [¤https://a]}\n" + PROCESS, "has no port; write https://a:2379"),
    "endpoint with bad port": (
        "etcd: {endpoints: ['¤a:65536']}\n".replace("'¤", "¤'") + PROCESS,
        "'65536' is not a port",
    ),
    "endpoint with path": (
        "etcd: {endpoints: [¤http://a:1/v3]}\n" + PROCESS,
        "has a path; write http://host:2379 only",
    ),
    "endpoint with user": ("etcd: {endpoints: [¤http://u:secret@a:1]}\n" + PROCESS, "does not hold a user"),
    "endpoint scheme": ("etcd: {endpoints: [¤ftp://a:1]}\n" + PROCESS, "'ftp' is not a scheme of etcd's"),
    "relative socket": (
        "etcd: {endpoints: [¤unix://a:1]}\n" + PROCESS,
        "write the socket's absolute path: unix:///run/etcd.sock",
    ),
    "socket with an odd name": ("etcd: {endpoints: [¤'unix:///a b']}\n" + PROCESS, "give the socket a plain name"),
    "socket with a long name": (
        f"etcd: {{endpoints: [¤unix:///{'a' * 107}]}}\n" + PROCESS,
        "allows a socket's path 107",
    ),
    "discovery domain": ("etcd: {discovery_srv: ¤'https://a'}\n" + PROCESS, "write the domain alone: example.org"),
    "endpoint without host": ("etcd: {endpoints: [¤':2379']}\n" + PROCESS, "is not a host and port"),
    "bare IPv6 endpoint": ("etcd: {endpoints: [¤'::1:2379']}\n" + PROCESS, "write host:port, or [::1]:port"),
    "empty command": ("processes: {p: {command: ¤''}}", "command: the command is empty"),
    "empty command list": ("processes: {p: {command: ¤[]}}", "command: the command is empty"),
    "empty program": ("processes: {p: {command: ¤['', x]}}", "command: the command is empty"),
    "argument that is none": (
        "processes: {p: {command: [x, ¤{a: b}]}}",
        "command: a mapping stands where a single value",
    ),
    "open quote": ("processes: {p: {command: ¤x 'y}}", "cannot be split: no closing quotation"),
    "shell in a command": ("processes: {p: {command: ¤a | b}}", "'|' means nothing here: no shell reads a command"),
    "variable in a command": ("processes: {p: {command: ¤A=1 b}}", "'A=1' is not a program; set variables under"),
    "tilde in a command": ("processes: {p: {command: ¤~/bin/x}}", "is not expanded: no shell reads it"),
    "tilde in a path": (PROCESS + "    directory: ¤~/x", "write ${HOME}, or the whole path"),
    "empty path": (PROCESS + "    directory: ¤''", "the path is empty"),
    "missing program": ("processes: {p: {command: [¤/no/such/program]}}", "'/no/such/program' does not exist"),
    "missing program in a text": ("processes: {p: {command: ¤/no/such/program -x}}", "does not exist; install it"),
    "program that is a directory": ("processes: {p: {command: ¤/usr}}", "'/usr' is not a program"),
    "program that is a plain file": ("processes: {p: {command: ¤/etc/passwd}}", "is not executable; run: chmod +x"),
    "missing program of a probe": (PROCESS + "    ready: {exec: [¤/no/such]}", "'/no/such' does not exist"),
    "variable name": (PROCESS + "    environment: {¤A B: x}", "environment: 'A B' cannot be a variable"),
    "variable of ours": (PROCESS + "    environment: {¤SUPERVISOR_TERM: x}", "is set by the supervisor"),
    "user": (PROCESS + "    user: ¤a:b:c", "'a:b:c' is not a user; write name or name:group"),
    "umask": (PROCESS + "    umask: ¤098", "'098' is not an octal mask"),
    "limit name": (PROCESS + "    limits: {¤RLIMIT_NOFILES: 1}", "is not a limit; did you mean 'nofile'?"),
    "limit": (PROCESS + "    limits: {nofile: ¤lots}", "write a number, a size such as 64MiB, or unlimited"),
    "probe count": (PROCESS + "    health: {tcp: 'a:1', failures: ¤0}", "failures: 0 is out of range"),
    "octal count": (PROCESS + "    health: {tcp: 'a:1', failures: ¤08}", "'08' is not a whole number"),
    "probe url": (PROCESS + "    ready: {http: ¤localhost/x}", "is not an http URL"),
    "probe url with blanks": (PROCESS + "    ready: {http: ¤http://a/b c}", "has characters that a URL cannot have"),
    "probe address": (PROCESS + "    ready: {tcp: ¤a}", "'a' has no port"),
    "restart policy": (PROCESS + "    restart: {policy: ¤no}", "'no' is not one of always, on-failure, never"),
    "exit code": (PROCESS + "    restart: {expected: [0, ¤256]}", "256 is out of range; write a number from 0 to 255"),
    "backoff": (PROCESS + "    restart: {backoff: ¤30s..1s}", "30s..1s ends before it begins; write 1s..30s"),
    "backoff of nothing": (PROCESS + "    restart: {backoff: ¤0s}", "0s leaves no pause"),
    "restart limit": (PROCESS + "    restart: {limit: ¤5}", "'5' is not a restart limit; write a count and a period"),
    "restart limit of zero": (PROCESS + "    restart: {limit: ¤0 per 1m}", "0 is out of range"),
    "restart limit in no time": (PROCESS + "    restart: {limit: ¤5 per 0s}", "has no period"),
    "signal": (PROCESS + "    stop: {signal: ¤TREM}", "'TREM' is not a signal; write SIGTERM"),
    "signal number": (PROCESS + "    stop: {signal: ¤9}", "signal 9 is a number; write its name: SIGKILL"),
    "size without unit": (PROCESS + "    log: {file: x, max_size: ¤50}", "50 says no unit; write 50MB"),
    "size unit": (PROCESS + "    log: {file: x, max_size: ¤50M}", "'M' is not a unit of size; write one of B, kB"),
    "no size": (PROCESS + "    log: {file: x, max_size: ¤big}", "'big' is not a size"),
    "tiny log": (PROCESS + "    log: {file: x, max_size: ¤10B}", "is too small for a log file"),
    "huge size": (PROCESS + "    log: {file: x, max_size: ¤9999999TiB}", "is too large"),
    "proclaimed no": ("elections: {a: {proclaim: {value: {x: ¤no}}}}", "YAML takes 'no' for a boolean"),
    "proclaimed octal": ("elections: {a: {proclaim: {value: {x: [¤010]}}}}", 'put it in quotes: "010"'),
    "proclaimed date": ("elections: {a: {proclaim: {value: {x: ¤2020-01-01}}}}", "YAML takes '2020-01-01' for a date"),
    "proclaimed infinity": ("elections: {a: {proclaim: {value: {x: ¤.inf}}}}", "YAML takes '.inf' for a number"),
    "proclaimed text": ("elections: {a: {proclaim: {value: ¤x}}}", "value: the value is not a mapping"),
    "proclaimed too much": ("elections: {a: {proclaim: {value: ¤{x: " + "é" * 1100 + "}}}}", "is 2208 bytes of JSON"),
}

RELATIONS = {
    "nothing to run": ("¤node: a", "there is nothing to run; declare at least one election or process"),
    "nothing in the sections": ("¤elections: {}\nprocesses:\n", "there is nothing to run"),
    "time budget": (
        "elections:\n  a:\n    lost_grace: 5s\n    ttl: ¤10s",
        "2 x renew_every 3.333s + lost_grace 5s + safety_margin 0.5s = 12.167s of ttl 10s, 2.167s too much; raise ttl to 18s",
    ),
    "time budget of the default ttl": ("elections: {a: {lost_grace: ¤4s}}", "= 11.167s of ttl 10s"),
    "margin too short": ("elections: {a: {ttl: 9s, safety_margin: ¤10ms}}", "is shorter than a kill may take"),
    "margin too wide": ("elections: {a: {safety_margin: ¤4s}}", "or lower safety_margin to 3.333s"),
    "two of one name": (
        "elections:\n  a:\n    leader: {processes: {p: {command: x}}}\n    follower: {processes: {¤p: {command: x}}}",
        "the process 'p' is declared twice in 'a', first at ",
    ),
    "unknown need": (
        "processes: {db: {command: x}, api: {command: x, needs: [¤dbb]}}",
        "there is no process 'dbb' in this role; did you mean 'db'?",
    ),
    "need without any other": ("processes: {api: {command: x, needs: [¤db]}}", "there is no other process here"),
    "need of the other role": (
        "elections: {a: {leader: {processes: {p: {command: x, needs: [¤q]}}},"
        " follower: {processes: {q: {command: x}}}}}",
        "'q' is a follower process: it does not run beside this one",
    ),
    "need of itself": ("processes: {p: {command: x, needs: [¤p]}}", "needs go in a circle: p -> p"),
    "needs in a circle": (
        "processes:\n  a: {command: x, needs: [b]}\n  b: {command: x, needs: [c]}\n  c: {command: x, needs: [¤a]}",
        "needs go in a circle: a -> b -> c -> a",
    ),
    "probe of no kind": (
        PROCESS + "    ¤ready: {every: 1s}",
        "ready: the probe does not say how to look; add one of exec",
    ),
    "http that is a list": (PROCESS + "    ready: {http: ¤[a]}", "a list stands where"),
    "method": (PROCESS + "    ready: {http: {url: 'http://a', method: ¤GOT}}", "did you mean 'GET'?"),
    "status": (PROCESS + "    ready: {http: {url: 'http://a', status: [200, ¤600]}}", "'600' is not a status"),
    "status backwards": (PROCESS + "    ready: {http: {url: 'http://a', status: ¤300-200}}", "write 200-300"),
    "no status": (PROCESS + "    ready: {http: {url: 'http://a', status: ¤[]}}", "the list is empty"),
    "header of ours": (
        PROCESS + "    ready: {http: {url: 'http://a', headers: {¤Host: b}}}",
        "Host is set by the supervisor",
    ),
    "header's name": (
        PROCESS + "    ready: {http: {url: 'http://a', headers: {¤'a b': c}}}",
        "not the name of a header",
    ),
    "header's value": (
        PROCESS + "    ready: {http: {url: 'http://a', headers: {a: ¤\"b\\nc\"}}}",
        "the value has characters that a header cannot have",
    ),
    "body pattern": (PROCESS + "    ready: {http: {url: 'http://a', body: ¤/(/}}", "'(' is not a regular expression"),
    "body of HEAD": (PROCESS + "    ready: {http: {url: 'http://a', method: head, ¤body: a}}", "HEAD has no body"),
    "tls of http": (PROCESS + "    ready: {http: {url: 'http://a', ¤tls: {insecure: on}}}", "the URL is http"),
    "missing ca": (PROCESS + "    ready: {http: {url: 'https://a', tls: {ca: ¤/no/such}}}", "does not exist"),
    "key without cert": (
        PROCESS + "    ready: {http: {url: 'https://a', tls: {¤key: /etc/hostname}}}",
        "'key' without 'cert'",
    ),
    "insecure beside ca": (
        PROCESS + "    ready: {http: {url: 'https://a', tls: {ca: /etc/hostname, ¤insecure: on}}}",
        "'insecure' beside 'ca'",
    ),
    "insecure grpc": (
        PROCESS + "    ready: {grpc: {address: 'a:1', tls: {¤insecure: on}}}",
        "gRPC verifies every certificate",
    ),
    "grpc address": (PROCESS + "    ready: {grpc: ¤a}", "'a' has no port"),
    "relative socket": (PROCESS + "    ready: {tcp: ¤'unix:a'}", "write unix:/run/app.sock"),
    "long socket": (PROCESS + "    ready: {tcp: ¤'unix:/" + "a" * 110 + "'}", "is too long"),
    "log pattern": (PROCESS + "    ready: {log: ¤'*'}", "is not a regular expression"),
    "empty log pattern": (PROCESS + "    ready: {log: ¤''}", "the pattern is empty"),
    "notify off": (PROCESS + "    ready: {notify: ¤off}", "a probe that is switched off; leave it out"),
    "watchdog too often": (PROCESS + "    health: {watchdog: ¤50ms}", "is too often"),
    "every of a notify probe": (
        PROCESS + "    ready: {notify: on, ¤every: 1s, within: 3s}",
        "'every' means nothing beside 'notify'",
    ),
    "timeout of a watchdog": (
        PROCESS + "    health: {watchdog: 1s, ¤timeout: 1s, failures: 2}",
        "'timeout' means nothing",
    ),
    "two kinds told": (PROCESS + "    ready: {notify: on, ¤log: x}", "both notify and log"),
    "empty probe": (PROCESS + "    ¤health:", "health: the probe does not say how to look"),
    "probe of two kinds": (
        PROCESS + "    ready: {tcp: 'a:1', ¤exec: x}",
        "ready: the probe has both tcp and exec",
    ),
    "mixed schemes": (
        "etcd: {endpoints: [https://a:1, ¤b:1]}\n" + PROCESS,
        "some endpoints are http and some are https",
    ),
    "mixed sockets": (
        "etcd: {endpoints: [a:1, ¤unixs:///s]}\n" + PROCESS,
        "some endpoints are http and some are https",
    ),
    "discovery beside endpoints": (
        "etcd: {endpoints: [a:1], ¤discovery_srv: example.org}\n" + PROCESS,
        "'discovery_srv' beside 'endpoints'; keep one",
    ),
    "discovery suffix alone": (
        "etcd: {¤discovery_srv_name: blue}\n" + PROCESS,
        "'discovery_srv_name' without 'discovery_srv'",
    ),
    "tls on a plain socket": (
        "etcd: {endpoints: ['unix:///s'], ¤tls: {}}\n" + PROCESS,
        "the endpoints are unix; write https:// (or unixs://)",
    ),
    "endpoint twice": ("etcd: {endpoints: [a:1, ¤http://a:1/]}\n" + PROCESS, "http://a:1 is given twice"),
    "tls over http": ("etcd: {endpoints: [a:1], ¤tls: {}}\n" + PROCESS, "the endpoints are http; write https://"),
    "certificate without key": (
        "etcd: {endpoints: [https://a:1], tls: {¤cert: /etc/passwd}}\n" + PROCESS,
        "'cert' without 'key'",
    ),
    "missing authority": (
        "etcd: {endpoints: [https://a:1], tls: {ca: ¤ca.pem}}\n" + PROCESS,
        "ca.pem' does not exist; create it, or correct the path",
    ),
    "authority that is no file": (
        "etcd: {endpoints: [https://a:1], tls: {ca: ¤/etc}}\n" + PROCESS,
        "'/etc' is not a file",
    ),
    "missing password": (
        "etcd: {endpoints: [a:1], auth: {user: u, password_file: ¤nowhere}}\n" + PROCESS,
        "nowhere' does not exist",
    ),
    "tls for the local etcd": ("etcd: {¤tls: {}}\n" + PROCESS, "'tls' without endpoints: the local etcd uses none"),
    "one log for two": (
        "processes:\n  a: {command: x, log: {file: l}}\n  b: {command: x, log: {file: ¤l}}",
        "two processes write to",
    ),
}


@pytest.mark.parametrize(("text", "fragment"), SHAPE.values(), ids=SHAPE)
def test_shape(tmp_path: Path, text: str, fragment: str) -> None:
    check_marked(tmp_path, text, fragment)


@pytest.mark.parametrize(("text", "fragment"), VALUES.values(), ids=VALUES)
def test_values(tmp_path: Path, text: str, fragment: str) -> None:
    check_marked(tmp_path, text, fragment)


@pytest.mark.parametrize(("text", "fragment"), RELATIONS.values(), ids=RELATIONS)
def test_relations(tmp_path: Path, text: str, fragment: str) -> None:
    check_marked(tmp_path, text, fragment)


TEN_MISTAKES = """\
node: web-1
etcd:
  endpoints: [https://10.0.0.1:2379, ¤https://10.0.0.2]
  ¤namspace: /supervisor
elections:
  billing:
    ttl: ¤10
    on_giveup: ¤stop
    leader:
      processes:
        ¤api:
          directory: /srv
        worker:
          command: worker
          needs: [¤ap]
          health: {¤http: "http://a/", ¤tcp: "a:1"}
          stop: {signal: ¤TREM}
    follower:
      processes:
        ¤worker: {command: worker --standby}
  short: {ttl: ¤3s, lost_grace: 2s}
""".replace('{¤http: "http://a/"', '{http: "http://a/"')


def test_ten_mistakes_are_ten_problems_each_at_its_place(tmp_path: Path) -> None:
    check_marked(
        tmp_path,
        TEN_MISTAKES,
        "has no port",
        "did you mean 'namespace'?",
        "write 10s",
        "is not one of resign, stay",
        "'command' is missing",
        "did you mean 'api'?",
        "the probe has both http and tcp; keep exactly one of them",
        "write SIGTERM",
        "is declared twice",
        "raise ttl to 8s",
    )


def test_a_problem_reads_as_one_line_that_editors_can_follow(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "processes:\n  p: {command: x, user: 'a\nb'}\n")
    assert str(problem) == f"{tmp_path}/supervisor.yaml:2:25: user: 'a b' is not a user; write name or name:group"


def test_what_is_not_utf8_on_a_terminal_never_breaks_a_message(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, 'processes: {p: {command: x, user: "a\\nb\\x1b[31m"}}')
    assert "\n" not in str(problem)
    assert "\x1b" not in str(problem)


@pytest.mark.parametrize(
    "text",
    [
        PROCESS + '    needs: "a\\nb"',
        PROCESS + '    restart: {backoff: "2s\\n..1s"}',
        'elections: {a: {proclaim: {value: {x: !!int "a\\nb"}}}}',
    ],
)
def test_a_problem_stays_on_one_line(tmp_path: Path, text: str) -> None:
    (problem,) = problems_of(tmp_path, text)
    assert str(problem).isprintable()


def test_an_alias_shows_one_mistake_once(tmp_path: Path) -> None:
    check_marked(tmp_path, "processes: {a: &a {command: x, umask: ¤9}, b: *a}", "not an octal mask")


def test_the_end_of_a_very_long_list_of_problems_is_cut(tmp_path: Path) -> None:
    text = "processes:\n" + "".join(f"  p{i}: {{command: x, needs: [nobody]}}\n" for i in range(MAX_PROBLEMS * 2))
    found = problems_of(tmp_path, text)
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].message == "there may be more problems than these"


@pytest.mark.parametrize("hostname", ["", "a b", "x" * 101, "-a"])
def test_a_host_name_that_cannot_name_a_node_is_no_crash(tmp_path: Path, hostname: str) -> None:
    assert load_text(tmp_path, PROCESS, node="web-1", hostname=hostname).spec.node == "web-1"
    assert load_text(tmp_path, "node: web-2\n" + PROCESS, hostname=hostname).spec.node == "web-2"
