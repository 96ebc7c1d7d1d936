"""What was found about one thing, and how good that is."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How good."""

    OK = "ok"
    WARNING = "warning"
    """It works, and some day it will not, or not as well as it could."""
    PROBLEM = "problem"
    """The supervisor will not start, nobody can lead, or a promise is worth less here."""


_ORDER = tuple(Grade)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One look at one thing."""

    check: str
    """What was looked at, the same in every version: ``etcd.ttl``."""
    subject: str
    """Of what: an endpoint, a path, an election; empty where there is only one."""
    grade: Grade
    seen: str
    why: str = ""
    """Why it matters, in one sentence; empty when all is well."""
    remedy: str = ""
    """What to do; empty when all is well."""


def fine(check: str, subject: str, seen: str) -> Finding:
    """All is well."""
    return Finding(check=check, subject=subject, grade=Grade.OK, seen=seen)


def warn(check: str, subject: str, seen: str, *, why: str, remedy: str) -> Finding:
    """It works, but."""
    return Finding(check=check, subject=subject, grade=Grade.WARNING, seen=seen, why=why, remedy=remedy)


def problem(check: str, subject: str, seen: str, *, why: str, remedy: str) -> Finding:
    """It does not work, or is not safe."""
    return Finding(check=check, subject=subject, grade=Grade.PROBLEM, seen=seen, why=why, remedy=remedy)


def worst(findings: Iterable[Finding]) -> Grade:
    """The worst grade; OK for none."""
    return max((f.grade for f in findings), key=_ORDER.index, default=Grade.OK)
