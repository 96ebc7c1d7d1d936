"""What a row has found, as it is printed, plotted and kept.

Promises: ``as_json`` gives what ``SCHEMA`` describes, and ``from_json`` reads it back; a side without a figure says why; a
target is judged by the medians of the same run. Does not: print.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.harness import stats

OURS = "supervisor"
VERSION = 1
BARE = "bare"
"""Begins the name of a side that is no rival: the limit, measured in the same run."""


def is_rival(side: str) -> bool:
    """Neither ours nor a bare limit; PyPI's supervisord is one, whatever its name begins with."""
    return side != OURS and not side.startswith((f"{OURS}:", BARE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked of us: a share of the best rival's figure (``ratio``), or a figure (``value``)."""

    kind: str
    most: float
    against: tuple[str, ...] = ()
    """The rivals that count; empty: every rival."""

    def words(self, unit: str) -> str:
        """For people."""
        if self.kind == "value":
            return f"at most {self.most:g} {unit}"
        return f"at most {self.most:g} x {' or '.join(self.against) or 'the best rival'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of one row, for every side."""

    row: str
    name: str
    unit: str
    samples: Mapping[str, tuple[float, ...]]
    missing: Mapping[str, str] = field(default_factory=dict)
    """Side -> why it has no figure."""
    target: Target | None = None
    limit: str = ""
    """What physics, the kernel or etcd would allow."""
    note: str = ""
    higher_is_better: bool = False

    def median(self, side: str) -> float | None:
        """Of its samples; None when it has none."""
        found = self.samples.get(side)
        return stats.summary(found).median if found else None

    def rivals(self) -> list[str]:
        """The sides with a figure that are neither ours nor a bare limit."""
        return [side for side, found in self.samples.items() if found and is_rival(side)]

    def best_rival(self) -> str | None:
        """Among those that the target counts, or all."""
        counted = self.target.against if self.target is not None else ()
        sides = [side for side in self.rivals() if not counted or side in counted]
        pick = max if self.higher_is_better else min
        return pick(sides, key=lambda side: self.median(side) or 0.0, default=None)

    def holds(self) -> bool | None:
        """Whether the target does; None without one, or when the run cannot tell."""
        ours = self.median(OURS)
        if self.target is None or ours is None:
            return None
        if self.target.kind == "value":
            return ours <= self.target.most
        best = self.best_rival()
        if best is None:
            return None
        quotient = stats.ratio(self.samples[OURS], self.samples[best]).value
        return (1 / quotient if self.higher_is_better else quotient) <= self.target.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of the command."""

    began: str
    mode: str
    machine: Mapping[str, str]
    metrics: tuple[Metric, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Row -> why it could not be run, or not to its end."""

    def as_json(self) -> dict[str, Any]:
        """What ``SCHEMA`` describes."""
        found = asdict(self)
        for metric, made in zip(self.metrics, found["metrics"], strict=True):
            made["summaries"] = {side: asdict(stats.summary(s)) for side, s in metric.samples.items() if s}
            made["holds"] = metric.holds()
            made["samples"] = {side: list(s) for side, s in metric.samples.items()}
            if made["target"] is not None:
                made["target"]["against"] = list(made["target"]["against"])
        return {"schema": VERSION, **found, "metrics": list(found["metrics"])}


def from_json(said: Mapping[str, Any]) -> Report:
    """The report that was written. ``ValueError`` when it is of another version."""
    if said["schema"] != VERSION:
        raise ValueError(f"a result of schema {said['schema']}; this is {VERSION}")
    metrics = []
    for one in said["metrics"]:
        plain = {key: value for key, value in one.items() if key not in {"summaries", "holds"}}
        plain["samples"] = {side: tuple(found) for side, found in one["samples"].items()}
        if one["target"] is not None:
            plain["target"] = Target(**{**one["target"], "against": tuple(one["target"]["against"])})
        metrics.append(Metric(**plain))
    return Report(
        began=said["began"], mode=said["mode"], machine=said["machine"], metrics=tuple(metrics), failed=said["failed"]
    )


_WORDS = {"type": "object", "additionalProperties": {"type": "string"}}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_SUMMARY = {"type": "object", "additionalProperties": {"type": "number"}, "required": ["count", "median", "p10", "p90"]}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["schema", "began", "mode", "machine", "metrics", "failed"],
    "properties": {
        "schema": {"const": VERSION},
        "began": {"type": "string"},
        "mode": {"enum": ["quick", "full"]},
        "machine": _WORDS,
        "failed": _WORDS,
        "metrics": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    "row",
                    "name",
                    "unit",
                    "samples",
                    "summaries",
                    "missing",
                    "target",
                    "holds",
                    "limit",
                    "note",
                ],
                "properties": {
                    "row": {"type": "string"},
                    "name": {"type": "string"},
                    "unit": {"type": "string"},
                    "limit": {"type": "string"},
                    "note": {"type": "string"},
                    "higher_is_better": {"type": "boolean"},
                    "holds": {"type": ["boolean", "null"]},
                    "samples": {"type": "object", "additionalProperties": _NUMBERS},
                    "summaries": {"type": "object", "additionalProperties": _SUMMARY},
                    "missing": _WORDS,
                    "target": {
                        "type": ["object", "null"],
                        "additionalProperties": False,
                        "required": ["kind", "most", "against"],
                        "properties": {
                            "kind": {"enum": ["ratio", "value"]},
                            "most": {"type": "number"},
                            "against": {"type": "array", "items": {"type": "string"}},
                        },
                    },
                },
            },
        },
    },
}
