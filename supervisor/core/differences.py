"""What differs between two declarations, key by key, in the words of the file.

Promises: pure; keys are called as the file calls them (``restart.backoff``, ``environment.LOG_LEVEL``), in the order of the
Spec; values are shown as the file would have them, on one line and bounded. Never shown are the values of variables, of
``proclaim.value`` and of headers, urls, and what in a command looks like a password: that they differ is said, not how.
Does not: say what a difference costs (``diff``).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum

from supervisor.core.names import HOOK_MARK
from supervisor.core.spec import ElectionSpec, HookSpec, ProbeKind, ProbeSpec

CHANGED, ADDED, REMOVED = "changed", "added", "removed"
MOST_CHARACTERS = 80

_SECRET = frozenset({"environment", "headers", "url", "value"})
"""Fields whose values, or whose entries' values, are never shown."""
_COMMANDS = frozenset({"command", "before"})
_OPAQUE: Mapping[type, frozenset[str]] = {ElectionSpec: frozenset({"leader", "follower"})}
"""Declarations in their own right: they are compared by themselves."""
_NAMES = {
    "expected_exit_codes": "expected",
    "then": "signals",
    "targets": "to",
    "json": "format",
    "syslog_facility": "syslog.facility",
    "syslog_format": "syslog.format",
    "statuses": "status",
    "action": "on_failure",
}
_PAIRS: Mapping[str, tuple[str, str, str]] = {
    "backoff_min_seconds": ("backoff", "backoff_min_seconds", "backoff_max_seconds"),
    "backoff_max_seconds": ("backoff", "backoff_min_seconds", "backoff_max_seconds"),
    "cooldown_min_seconds": ("cooldown", "cooldown_min_seconds", "cooldown_max_seconds"),
    "cooldown_max_seconds": ("cooldown", "cooldown_min_seconds", "cooldown_max_seconds"),
    "limit": ("limit", "limit", "period_seconds"),
    "period_seconds": ("limit", "limit", "period_seconds"),
}
"""Two fields that are one key of the file."""
_CONFIDING = re.compile(r"(?i)pass(word|wd|phrase)?|secret|token|credential|api-?_?key")
_ASSIGNED = re.compile(r"^(-{0,2}[\w.-]+=)(.+)$", re.DOTALL)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """One key that differs. ``old`` and ``new`` are None where they are not to be shown, or where there is none."""

    key: str
    how: str = CHANGED
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        """``ttl: 10s -> 5s``; ``environment.A (added)``."""
        if self.old is None and self.new is None:
            return f"{self.key} ({self.how})"
        return f"{self.key}: {self.old if self.old is not None else '-'} -> {self.new if self.new is not None else '-'}"


def differences(old: object, new: object) -> tuple[KeyChange, ...]:
    """Of two declarations of one kind."""
    found: dict[str, KeyChange] = {}
    for change in _of_fields(old, new, ""):
        found.setdefault(change.key, change)
    return tuple(found.values())


def seconds(value: float) -> str:
    """As the file writes durations: ``500ms``, ``10s``, ``2m``."""
    if value and value < 1:
        return f"{value * 1000:.3g}ms"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if value >= 2 * length and value % length == 0:
            return f"{value / length:g}{unit}"
    return f"{value:.6g}s"


def _of_fields(old: object, new: object, above: str) -> Iterator[KeyChange]:
    if isinstance(old, ProbeSpec) and isinstance(new, ProbeSpec) and old.kind is not new.kind:
        yield KeyChange(key=above.removesuffix("."), old=old.kind.value, new=new.kind.value)
        return
    for field in fields(old):  # type: ignore[arg-type] # dataclasses only, by contract
        name = field.name
        was, will = getattr(old, name), getattr(new, name)
        if was == will or name in _OPAQUE.get(type(old), ()):
            continue
        if name in _PAIRS:
            key, first, second = _PAIRS[name]
            yield KeyChange(key=above + key, old=_pair(old, first, second), new=_pair(new, first, second))
            continue
        key = _key(old, name)
        yield from _of_values(above + key if key else above.removesuffix("."), name, was, will)


def _of_values(key: str, name: str, was: object, will: object) -> Iterator[KeyChange]:
    """Of one field, and of what is in it."""
    if name == "headers":
        was, will = dict(was or ()), dict(will or ())  # type: ignore[call-overload]
    if isinstance(was, Mapping) and isinstance(will, Mapping):
        for one in dict.fromkeys([*was, *will]):
            if one not in will or one not in was:
                how, shown = (REMOVED if one not in will else ADDED), name not in _SECRET
                old = _text(name, was[one]) if one in was and shown else None
                new = _text(name, will[one]) if one in will and shown else None
                yield KeyChange(key=f"{key}.{_entry(one)}", how=how, old=old, new=new)
            elif was[one] != will[one]:
                yield from _of_values(f"{key}.{_entry(one)}", name, was[one], will[one])
    elif is_dataclass(was) and type(was) is type(will):
        yield from _of_fields(was, will, "" if not key else f"{key}.")
    elif name in _SECRET:
        yield KeyChange(key=key)
    else:
        how = ADDED if was is None else REMOVED if will is None else CHANGED
        yield KeyChange(key=key, how=how, old=_text(name, was), new=_text(name, will))


def _key(owner: object, name: str) -> str:
    """The file's name of a field."""
    if isinstance(owner, ProbeSpec):
        probe = owner.kind.value
        match name:
            case "command" | "url" | "address":
                return probe
            case "pattern" if owner.kind is ProbeKind.LOG:
                return probe
            case "every_seconds" if owner.kind is ProbeKind.WATCHDOG:
                return probe
            case "service" | "tls":
                return f"{probe}.{name}"
    if isinstance(owner, HookSpec) and name == "process":
        return ""
    return _NAMES.get(name, name.removesuffix("_seconds").removesuffix("_bytes"))


def _entry(name: object) -> str:
    """Of a mapping: hooks are called as the file calls them."""
    return str(name).removeprefix(HOOK_MARK)


# --- values ----------------------------------------------------------------------------------------------------------


def _pair(owner: object, first: str, second: str) -> str:
    low, high = getattr(owner, first), getattr(owner, second)
    if first == "limit":
        return "unlimited" if low is None else f"{low} per {seconds(high)}"
    return f"{seconds(low)}..{seconds(high)}"


def _text(name: str, value: object) -> str | None:
    """As the file would have it; None where there is none."""
    if value is None:
        return None
    text = _command(value) if name in _COMMANDS and isinstance(value, tuple) else _plain(name, value)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."


def _plain(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float | int):
        return _number(name, value)
    if isinstance(value, tuple):
        return f"[{', '.join(_plain('', part) for part in value)}]"
    if is_dataclass(value):
        return value.kind.value if isinstance(value, ProbeSpec) else "declared"
    return str(value)


def _number(name: str, value: float) -> str:
    if name.endswith("_seconds"):
        return seconds(value)
    if name.endswith("_bytes"):
        return _size(int(value))
    return f"{value:03o}" if name in ("umask", "mode") and isinstance(value, int) else f"{value:g}"


def _size(value: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if value and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)


def _command(words: tuple[object, ...]) -> str:
    """Its words, but for those that look like a password: after an option of such a name, assigned to one, or in a url."""
    shown, hide = [], False
    for word in map(str, words):
        assigned = _ASSIGNED.match(word)
        if hide:
            shown.append("***")
        elif assigned and _CONFIDING.search(assigned.group(1)):
            shown.append(assigned.group(1) + "***")
        else:
            shown.append(_USER_INFO.sub("***", word))
        hide = not hide and word.startswith("-") and "=" not in word and bool(_CONFIDING.search(word))
    return f"[{', '.join(shown)}]"
