"""What a value of each kind looks like: in words for the reference page, in JSON Schema for editors.

Promises: no stricter than the functions that judge the values (``values`` and its like), whose texts may always come from
``${VAR}``; where a pattern cannot say all that they ask for, it says less. Does not: judge a file; nothing here is loaded
when one is read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import EnumMeta

from supervisor.config import (
    birth_schema,
    birth_values,
    kinds,
    life_relations,
    log_values,
    outside_schema,
    outside_values,
    probe_schema,
    probe_values,
    schema,
    shape,
    values,
)
from supervisor.config.units import BYTES_PER_UNIT
from supervisor.core.birth import IoClass
from supervisor.core.capabilities import NAMES
from supervisor.core.kinds import Kind
from supervisor.core.spec import Need

Json = dict[str, object]

VARIABLE: Json = {"$ref": "#/definitions/variable"}
"""A text with ``${VAR}`` in it: what it will be, an editor cannot know."""
ANY_TEXT: Json = {"type": ["string", "number", "boolean"]}
"""A text counts as it is written, though YAML should take it for a number: ``08``, ``1.10``, ``true``."""

_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,9})?"
_DURATION = rf"({_NUMBER}(ms|s|m|h|d))+"
_SIZE = rf"{_NUMBER} ?({'|'.join(BYTES_PER_UNIT)})"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.@$-]*"
_LIMIT = rf"([0-9]+|{_SIZE}|unlimited)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One kind of value."""

    words: str
    json: Json


def _form(words: str, *allowed: Json) -> Form:
    return Form(words=words, json={"anyOf": [*allowed, VARIABLE]})


def _text(words: str, pattern: str = "") -> Form:
    """Any text, or one that a pattern matches as a whole. What YAML takes for a number is a text here, too."""
    return Form(words=words, json=ANY_TEXT) if not pattern else _form(words, {**ANY_TEXT, "pattern": f"^({pattern})$"})


def _written(words: str, pattern: str) -> Form:
    """A text that YAML never takes for a number, such as a duration: a number has no unit, and is a mistake."""
    return _form(words, {"type": "string", "pattern": f"^({pattern})$"})


def _number(least: int, most: int) -> Form:
    sign = "-?" if least < 0 else ""
    quoted: Json = {"type": "string", "pattern": f"^{sign}(0|[1-9][0-9]*)$"}
    words = f"number from {least} to {most}" if most != values.MAX_COUNT else f"number from {least} on"
    return _form(words, {"type": "integer", "minimum": least, "maximum": most}, quoted)


def _either_case(word: str) -> str:
    return "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in word)


def _choice(known: Sequence[str], *, any_case: Sequence[str] = (), words: str = "") -> Form:
    """One of the words; ``any_case``: those that may be written in either case."""
    more: list[Json] = (
        [{"type": "string", "pattern": f"^({'|'.join(map(_either_case, any_case))})$"}] if any_case else []
    )
    return _form(words or ", ".join(f"`{word}`" for word in known), {"enum": [*known]}, *more)


def _enumeration(enum: object) -> Form | None:
    if not isinstance(enum, EnumMeta):
        return None
    return _choice([str(member.value) for member in enum])  # type: ignore[var-annotated] # any enumeration of ours


_TIME = _written("duration", _DURATION)
_TIMES = _written("duration, or two: `100ms..30s`", rf"{_DURATION}( *\.\. *{_DURATION})?")
_PATH = _text("path")
_SHORT_CAPABILITIES = [name.removeprefix("CAP_").lower() for name in NAMES]
_ON: Json = {"enum": ["on", "off"]}
_ON_TOO: Json = {
    "type": "string",
    "pattern": f"^({'|'.join(map(_either_case, ('on', 'off', 'yes', 'no', 'true', 'false')))})$",
}
_MODE = {"type": "integer", "minimum": 0, "maximum": 7777}

FORMS: Mapping[object, Form] = {
    str: _text("text"),
    shape.leaf: _text("text"),
    kinds.some_time: _TIME,
    kinds.some_or_no_time: _TIME,
    kinds.count: _number(1, values.MAX_COUNT),
    values.name: _text("name", r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"),
    values.path: _PATH,
    values.environment_file: _text("path, or `-PATH`"),
    values.switch: _form("`on`, `off`", _ON, {"type": "boolean"}, _ON_TOO),
    values.kept_terms: _number(0, 1000),
    outside_values.retries: _number(0, 100),
    outside_values.listening: _written("`host:port`", r"\S+:[0-9]+"),
    outside_values.kind: _choice([outside_values.ALL, *(kind.value for kind in Kind)], words="kind of event"),
    values.user: _text("user", rf"{_USER}(:{_USER})?"),
    values.umask: _form("octal mask", {"type": "string", "pattern": "^(0o)?0?[0-7]{1,3}$"}, _MODE),
    values.endpoint: _text("endpoint", r"\S+"),
    values.domain: _text("domain", r"[A-Za-z0-9][A-Za-z0-9._-]*"),
    values.namespace: _text("key prefix", r"/?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?"),
    values.ttl_seconds: _TIME,
    values.cooldown_seconds: _TIMES,
    values.backoff_seconds: _TIMES,
    values.restart_limit: _written("`N per DURATION`, or `unlimited`", rf"unlimited|[1-9][0-9]* +per +{_DURATION}"),
    values.stop_step: _written("signal and duration: `SIGINT 5s`", rf" *[A-Za-z0-9+-]+ +{_DURATION} *"),
    values.signal_name: _choice(
        values.SIGNALS,
        any_case=[*values.SIGNALS, *(name.removeprefix("SIG") for name in values.SIGNALS)],
        words="signal",
    ),
    values.expected_exit_code: _number(0, 255),
    values.priority: _number(-values.MAX_PRIORITY, values.MAX_PRIORITY),
    values.variable_name: Form(
        words="variable", json={"pattern": r"^[^=\s]+$", "not": {"enum": sorted(values.OWN_VARIABLES)}}
    ),
    values.limit_name: Form(words="rlimit", json={"enum": [*values.LIMITS]}),
    schema.proclaim_every: _TIME,
    schema.json_object: Form(words="mapping to anything that JSON can hold", json={"type": "object"}),
    probe_values.url: _written("URL", r"[Hh][Tt][Tt][Pp][Ss]?://\S+"),
    probe_values.address: _written("`host:port`, or `unix:/path`", r"unix:/\S+|\S+:[0-9]+"),
    probe_values.socket_file: _PATH,
    probe_values.method: _choice(probe_values.METHODS, any_case=probe_values.METHODS),
    probe_values.header_name: Form(words="header", json={"pattern": r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"}),
    probe_values.header_value: _text("text"),
    probe_values.status_range: _form(
        "status, or a range: `200-399`",
        {"type": "integer", "minimum": 100, "maximum": 599},
        {"type": "string", "pattern": "^ *[1-5][0-9][0-9]( ?- ?[1-5][0-9][0-9])? *$"},
    ),
    probe_values.body_match: _text("text, or `/pattern/`", r"[\s\S]+"),
    probe_values.pattern: _text("pattern", r"[\s\S]+"),
    probe_values.grpc_service: _text("name of a service", r"[A-Za-z_][A-Za-z0-9_.-]{0,199}"),
    probe_values.switched_on: _form(
        "`on`", {"enum": ["on"]}, {"const": True}, {"type": "string", "pattern": "^([Oo][Nn]|[Yy][Ee][Ss]|[Tt][Rr][Uu][Ee])$"}
    ),
    probe_values.watchdog_seconds: _TIME,
    log_values.log_target: _choice(log_values.LOG_TARGETS),
    log_values.log_size: _written("size, or `off`", f"{_SIZE}|off"),
    log_values.log_age: _TIME,
    log_values.keep: _number(0, 1000),
    log_values.compression: _choice(["gzip", "off"]),
    log_values.log_format: _choice(["text", "json"]),
    log_values.facility: _choice(log_values.FACILITIES),
    birth_values.weight: _number(1, 10_000),
    birth_values.limit_pair: _text("number, size, `unlimited`; or two: `SOFT:HARD`", rf" *{_LIMIT}( *: *{_LIMIT})? *"),
    birth_values.passed_variable: _text("variable", r"[^=\s]+"),
    birth_values.group: _text("group", _USER),
    birth_values.nice: _number(-20, 19),
    birth_values.oom_score_adj: _number(-1000, 1000),
    birth_values.cpus: _text("CPUs: `0-3,6`", r"[0-9]{1,5}( *- *[0-9]{1,5})?( *, *[0-9]{1,5}( *- *[0-9]{1,5})?)*"),
    birth_values.instances: _number(1, birth_values.MAX_INSTANCES),
    birth_values.capability: _choice(
        _SHORT_CAPABILITIES, any_case=[*NAMES, *_SHORT_CAPABILITIES], words="capability(7)"
    ),
    birth_values.memory: _written("size, or `unlimited`", f"{_SIZE}|unlimited"),
    birth_values.swap: _form(
        "size, `0` or `unlimited`", {"type": "string", "pattern": f"^({_SIZE}|0|unlimited)$"}, {"const": 0}
    ),
    birth_values.cpu_percent: _written("percentage", r"[0-9]{1,6}(\.[0-9]{1,3})? ?%"),
    birth_values.pids: _form(
        "number from 1 on, or `unlimited`",
        {"type": "integer", "minimum": 1, "maximum": 4_194_304},
        {"type": "string", "pattern": "^([1-9][0-9]*|unlimited)$"},
    ),
    birth_values.socket_name: Form(words="name", json={"pattern": "^[A-Za-z0-9._-]{1,100}$"}),
    birth_values.socket_address: _written("`tcp://ADDRESS:PORT`, or `unix:///PATH`", r"tcp://\S+:[0-9]+|unix:///.+"),
    birth_values.socket_mode: _form("octal mode", {"type": "string", "pattern": "^(0o)?0?[0-7]{3}$"}, _MODE),
}  # fmt: skip
"""By the function that judges such a value."""

_NAMES = FORMS[values.name].json
_IO_CLASSES = _choice([member.value for member in IoClass])
WHOLE: Mapping[object, Form] = {
    life_relations.needs: Form(
        words="list of names, or mapping of name to `ready`, `healthy` or `completed`",
        json={
            "anyOf": [
                {"type": "array", "items": _NAMES},
                {"type": "object", "additionalProperties": _choice([member.value for member in Need]).json},
            ]
        },
    ),
    birth_schema.io_priority: Form(
        words="`idle`, or mapping of `class` and `level`",
        json={
            "anyOf": [
                _IO_CLASSES.json,
                {
                    "type": "object",
                    "properties": {"class": _IO_CLASSES.json, "level": _number(0, 7).json},
                    "required": ["class"],
                    "additionalProperties": False,
                },
            ]
        },
    ),
}
"""Likewise, of those that judge more than a single text."""


def _or_alone(words: str, alone: Json) -> Callable[[Form], Form]:
    return lambda inner: Form(words=f"{words}, or {inner.words}", json={"anyOf": [alone, inner.json]})


def _not_empty(inner: Form) -> Form:
    return Form(words=inner.words, json={**inner.json, "minItems": 1})


def _one_or_more(inner: Form) -> Form:
    items = inner.json["items"]
    assert isinstance(items, dict)
    return Form(words=f"one or a {inner.words}", json={"anyOf": [items, {**inner.json, "minItems": 1}]})


def _command(inner: Form) -> Form:
    return Form(words="text, or list of words", json={"anyOf": [ANY_TEXT, {**inner.json, "minItems": 1}]})


def _or_nothing(inner: Form) -> Form:
    return Form(words=inner.words, json={"anyOf": [inner.json, {"type": "null"}]})


BEFORE: Mapping[object, Callable[[Form], Form]] = {
    kinds.words: _command,
    kinds.one_or_more: _one_or_more,
    kinds.hook: _or_alone("command", {"anyOf": [ANY_TEXT, {"type": "array", "items": ANY_TEXT, "minItems": 1}]}),
    schema.some_endpoints: _not_empty,
    shape.silent_if_empty: _or_nothing,
    probe_schema.some: _one_or_more,
    outside_schema.some: _one_or_more,
    outside_schema.url_alone: _or_alone("URL", FORMS[probe_values.url].json),
    outside_schema.one_way: lambda form: form,
    probe_schema.url_alone: _or_alone("URL", FORMS[probe_values.url].json),
    probe_schema.address_alone: _or_alone("address", FORMS[probe_values.address].json),
    birth_schema.socket_or_address: _or_alone("address", FORMS[birth_values.socket_address].json),
}
"""By the function that prepares a value: what may also stand there."""


def form_of(judge: object) -> Form:
    """The form of what ``judge`` accepts. Raises KeyError when nobody has said it."""
    enumeration = _enumeration(judge)
    if enumeration is not None:
        return enumeration
    return WHOLE[judge] if judge in WHOLE else FORMS[judge]
