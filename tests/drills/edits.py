"""A storm of edits: one file that a whole fleet runs is rewritten again and again, sometimes with nonsense in it.

Promises: by one seed the same edits; every good file loads, and every bad one does not; what an edit never touches is named
(``STEADY``, and the election ``job``, of which only live keys change), so that whoever watches can tell a needless restart.
Does not: judge. ``test_edits.py`` does, and the checker.
"""

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

STEADY = "steady"
SPARES = tuple(f"spare{n}" for n in range(5))
_EDIT = "EDIT"
_BROKEN = (
    lambda text: text[: len(text) // 2],
    lambda text: text.replace('"elections"', '"electoins"', 1),
    lambda text: text.replace('"ttl"', '"ttl": "soon", "tll"', 1),
    lambda text: text.replace("{", "{\t", 1) + "}",
    lambda _: "",
    lambda _: "\0\1\2",
    lambda text: text[:-1] + ', "include": ["not-there.yaml"]}',
    lambda text: text[:-1] + ', "processes": {}}',
    lambda text: text.replace('"5s"', '"${NOT_SET_ANYWHERE}"', 1).replace('"6s"', '"${NOT_SET_ANYWHERE}"', 1),
)


@dataclass(frozen=True, slots=True)
class Edit:
    """What is written next."""

    text: str
    good: bool
    number: int


class Storm:
    """``count`` edits of a content, ``broken`` of them bad; the last one is good."""

    def __init__(self, content: Json, *, seed: int, count: int, broken: int) -> None:
        self._chance = random.Random(seed)
        self._count = count
        self._bad = set(self._chance.sample(range(count - 1), broken))
        self.content = copy.deepcopy(content)
        """The last good one that was given."""
        self.content["processes"] = {STEADY: _sleeper(0)} | {name: _sleeper(0) for name in SPARES}

    def __iter__(self) -> Iterator[Edit]:
        for number in range(self._count):
            if number in self._bad:
                mangled = self._chance.choice(_BROKEN)(self.text)
                yield Edit(mangled, good=False, number=number)
                continue
            self._change(number + 1)
            yield Edit(self.text, good=True, number=number)

    @property
    def text(self) -> str:
        """As it is written: JSON, which is YAML."""
        return json.dumps(self.content)

    def _change(self, number: int) -> None:
        chance, elections, processes = self._chance, self.content["elections"], self.content["processes"]
        match chance.randrange(10):
            case 0:
                hard = elections["hard"]
                hard["ttl"] = "6s" if hard["ttl"] == "5s" else "5s"
            case 1 | 2:
                name = chance.choice(sorted(elections["hard"]["leader"]["processes"]))
                elections["hard"]["leader"]["processes"][name]["environment"] = {_EDIT: str(number)}
            case 3 | 4:
                work = elections["job"]["leader"]["processes"]["work"]
                work["restart"] = {"backoff": "50ms..1s", "limit": f"{1000 + number} per 1m"}
                elections["job"]["proclaim"] = {"every": f"{chance.choice([5, 8, 10])}s"}
            case 5:
                elections["hard"]["on_giveup"] = chance.choice(["resign", "stay"])
            case _:
                name = chance.choice(SPARES)
                if name in processes and chance.random() < 0.3:
                    del processes[name]
                else:
                    processes[name] = _sleeper(number)


def _sleeper(number: int) -> Json:
    return {"command": ["sleep", "100000"], "environment": {_EDIT: str(number)}, "stop": {"timeout": "1s"}}


def save(path: Path, text: str, chance: random.Random) -> None:
    """As editors do: in place, or beside it and renamed over it."""
    if chance.random() < 0.5:
        path.write_text(text)
    else:
        beside = path.with_name(".edit")
        beside.write_text(text)
        beside.replace(path)
