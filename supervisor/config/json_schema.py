"""The file's JSON Schema, for editors: what ``supervisor schema`` prints.

Promises: draft-07, which is what the YAML language server understands; whatever ``load`` accepts it accepts, read by YAML 1.2
as editors do (``on`` is a text then). Does not: know what values mean together: `supervisor check` does.
"""

import json

from supervisor.config.described import Key, Section, sections
from supervisor.config.forms import Json
from supervisor.config.parse import parse
from supervisor.config.problems import Problems
from supervisor.config.schema import Overlay
from supervisor.config.tree import Kind, ListNode, MapNode, Node

ID = "urn:election-supervisor:file"
"""Its name: no address, so that no editor looks for it there."""


def json_schema() -> Json:
    """The whole schema."""
    first, *others = sections()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": ID,
        "title": "The supervisor's file",
        **_section(first),
        "definitions": {
            "variable": {
                "description": "A text with ${VAR} or ${VAR:-default} from the supervisor's environment.",
                "type": "string",
                "pattern": r"\$\{",
            },
            **{section.section.__name__: _section(section) for section in others},
            **{_of_a_node(s.section.__name__): _overlay(_section(s)) for s in others if s.section is not Overlay},
        },
    }


def _of_a_node(name: str) -> str:
    return f"{name}.of_a_node"


def _overlay(form: Json) -> Json:
    """The same as one node may have it: nothing is required, and a null removes a key."""
    found: Json = {}
    for key, said in form.items():
        match key, said:
            case "required", _:
                continue
            case "$ref", str() if not said.endswith("/variable"):
                found[key] = _of_a_node(said)
            case (("properties" | "patternProperties"), dict()):
                found[key] = {name: _or_null(_overlay(below)) for name, below in said.items()}
            case "additionalProperties", dict():
                found[key] = _or_null(_overlay(said))
            case _, dict():
                found[key] = _overlay(said)
            case (("allOf" | "anyOf" | "oneOf"), list()):
                found[key] = [_overlay(one) for one in said]
            case _:
                found[key] = said
    return found


def _or_null(form: Json) -> Json:
    texts = ("description", "default", "examples")
    rest = {key: said for key, said in form.items() if key not in texts}
    return {**{key: form[key] for key in texts if key in form}, "anyOf": [rest, {"type": "null"}]}


def _section(section: Section) -> Json:
    required = [key.name for key in section.keys if key.required]
    return {
        "description": " ".join(section.text.replace("``", "`").split()),
        "type": ["object", "null"] if not required else "object",
        "properties": {key.name: _in_overlays(section, _property(key)) for key in section.keys},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _in_overlays(section: Section, form: Json) -> Json:
    return _or_null(_overlay(form)) if section.section is Overlay else form


def _property(key: Key) -> Json:
    # What stands beside a $ref is not read in draft-07.
    form = {"allOf": [key.form.json]} if "$ref" in key.form.json else dict(key.form.json)
    said: Json = {"description": f"{key.description}\n\n{_facts(key)}"}
    if key.written:
        said["default"] = value(key.default)
    return {**said, "examples": [value(key.example)], **form}


def _facts(key: Key) -> str:
    return f"{capital(key.form.words)}. Default: {key.default}. {capital(COSTS[key.cost])}."


COSTS = {
    "live": "a change is live: nothing restarts",
    "restart": "a change restarts the process, in the same term",
    "re-campaign": "a change ends the term: stop, prove that nothing is left, resign, campaign anew",
    "refused": "a change is refused while the daemon runs",
    "as its keys": "a change costs what its keys say",
}
"""The classes in words."""


def capital(words: str) -> str:
    """The words as the beginning of a sentence."""
    return words[:1].upper() + words[1:]


def value(written: str) -> object:
    """A value in the file's notation as JSON, whose own numbers stay numbers."""
    problems = Problems()
    root = parse(f"value: {written}", "", problems)
    assert root is not None, problems
    return _json(root.entries["value"].node)


def _json(node: Node) -> object:
    if isinstance(node, MapNode):
        return {name: _json(entry.node) for name, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [_json(item) for item in node.items]
    return int(node.text) if node.kind is Kind.INTEGER else node.text


def as_text() -> str:
    """As it is printed."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"
