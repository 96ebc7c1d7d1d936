"""What an editor says of a file by ``supervisor schema``: what ``load`` accepts it accepts, and common mistakes it sees."""

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

from supervisor.cli.main import supervisor
from supervisor.config.json_schema import json_schema
from tests.config import keys
from tests.config.test_described import ONE_BY_ONE

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft7Validator(json_schema())


class Editor(yaml.SafeLoader):
    """YAML as editors read it: the core schema of 1.2, where ``on`` is a text and ``1:30`` no number."""


Editor.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag.endswith((":merge", ":null"))]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for name, pattern, first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    Editor.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(rf"^(?:{pattern})$"), list(first))


def construct_int(_loader: Editor, node: yaml.ScalarNode) -> int:
    return int(node.value)


Editor.add_constructor("tag:yaml.org,2002:int", construct_int)


def said(text: str) -> list[str]:
    """Every complaint, with where it is."""
    errors = VALIDATOR.iter_errors(yaml.load(text, Editor))
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


def test_it_is_a_draft_7_schema_that_the_command_prints() -> None:
    printed = CliRunner().invoke(supervisor, ["schema"], standalone_mode=False)
    schema = json.loads(printed.output)
    assert schema == json_schema()
    Draft7Validator.check_schema(schema)
    assert schema["$schema"].endswith("draft-07/schema#")
    assert schema["$id"]


def test_every_mapping_of_known_keys_is_closed_and_every_key_described() -> None:
    schema = json_schema()
    definitions = schema["definitions"]
    assert isinstance(definitions, dict)
    for name, section in [("File", schema), *definitions.items()]:
        if name == "variable":
            continue
        assert section["additionalProperties"] is False, name
        for key, said_of_it in section["properties"].items():
            assert said_of_it["description"], key
            assert said_of_it["examples"], key


EXAMPLES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in sorted((ROOT / "config" / "examples").glob("*.yaml"))
}
SNIPPETS = {
    f"{path.relative_to(ROOT)}, example {number}": text
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE))
}


def whole(snippet: str) -> str:
    """A snippet that shows a few keys of a process, in a process."""
    if re.search(r"^(elections|processes|etcd|node|control|include|metrics|web|notify):", snippet, re.MULTILINE):
        return snippet
    return "processes:\n  example:\n    command: [example]\n" + textwrap.indent(snippet, "    ")


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_every_example_is_good(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize("text", SNIPPETS.values(), ids=SNIPPETS)
def test_every_example_in_the_documentation_is_good(text: str) -> None:
    assert said(whole(text)) == []


@pytest.mark.parametrize("new", [False, True], ids=["old", "new"])
@pytest.mark.parametrize("key", [*keys.OF_A_PROCESS, *keys.OF_AN_ELECTION])
def test_every_value_that_loads_is_good(key: str, *, new: bool) -> None:
    made = keys.process(key, new=new) if key in keys.OF_A_PROCESS else keys.election(key, new=new)
    where = "processes" if key in keys.OF_A_PROCESS else "elections"
    tree = keys.placed({where: {"one": made}}, Path("/tmp"))
    assert said(json.dumps(tree)) == []


@pytest.mark.parametrize("key", ONE_BY_ONE.values(), ids=ONE_BY_ONE)
def test_every_example_of_a_key_is_good(key: Any) -> None:
    validator = Draft7Validator({**key.form.json, "definitions": json_schema()["definitions"]})
    value = yaml.load(key.example, Editor)
    assert [e.message for e in validator.iter_errors(value)] == []


P = "processes:\n  p:\n    command: x\n"
GOOD = {
    "variables wherever a value may stand": "elections: {e: {ttl: '${TTL:-5s}', takeover_guard: '${GUARD}'}}\n"
    + P
    + "    nice: ${NICE}\n    umask: '${MASK}'\n    needs: ['${OTHER}']\n    log: {keep: '${KEEP}', to: '${TO}'}\n",
    "numbers where texts are meant": "node: 12\n"
    + P
    + "    environment: {A: 1, B: 1.5, C: true, D: 08}\n    user: 1000\n",
    "words in either case": P + "    pty: ON\n    stop: {signal: term}\n    capabilities: {keep: [CAP_CHOWN, Kill]}\n",
    "octal without quotes": P + "    umask: 022\n    sockets: {a: {listen: 'unix:///a', mode: 0660}}\n",
    "numbers in quotes": P + "    nice: '5'\n    cgroup: {pids: '10'}\n    restart: {expected: ['0', 3]}\n",
    "sections of which nothing is left": "etcd:\nelections:\n  e:\n    leader:\n      processes:\n" + P + "    log:\n",
    "anchors and merge keys": "processes:\n  a: &a {command: x, nice: 1}\n  b: {<<: *a, nice: 2}\n",
    "a command of one word, a hook of one word": P + "elections: {e: {leader: {hooks: {elected: x}}}}",
}
BAD = {
    "an unknown key": P + "    comand: x\n",
    "an unknown section": P + "proceses: {}\n",
    "a key of the other probe": P + "    health: {tcp: 'a:1', within: 5s}\n",
    "no command": "processes: {p: {nice: 1}}",
    "a duration without a unit": P + "    stop: {timeout: 5}\n",
    "a duration with a wrong unit": P + "    stop: {timeout: 5sec}\n",
    "a duration of another country": P + "    stop: {timeout: '1:30'}\n",
    "a size without a unit": P + "    log: {file: a, max_size: 100}\n",
    "a word that is none of them": P + "    restart: {policy: sometimes}\n",
    "a signal that is none": P + "    stop: {signal: SIGSTOPP}\n",
    "out of range": P + "    nice: 20\n",
    "a fraction": P + "    instances: 1.5\n",
    "no switch": P + "    pty: maybe\n",
    "a mapping for a list": P + "    environment_files: {a: b}\n",
    "a list for a mapping": P + "    environment: [A=1]\n",
    "a list for a value": P + "    user: [a]\n",
    "nothing where a value is needed": P + "    user:\n",
    "an empty command": "processes: {p: {command: []}}",
    "a limit that is none": P + "    limits: {files: 5}\n",
    "a variable of ours": P + "    environment: {SUPERVISOR_NODE: x}\n",
    "a percentage without its sign": P + "    cgroup: {cpu: 50}\n",
    "a socket by name": P + "    sockets: {a: 'udp://1.2.3.4:5'}\n",
    "a level that is none": P + "    ionice: {class: best-effort, level: 9}\n",
    "no user of etcd": "etcd: {endpoints: ['a:1'], auth: {password_file: x}}\n" + P,
    "no endpoints": "etcd: {endpoints: []}\n" + P,
    "a list": "- a",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_good(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_bad(text: str) -> None:
    assert said(text) != []
