"""Every key is described, once: the reference page, the editors' schema, and what the file does agree."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from supervisor.config import apart, json_schema, reference
from supervisor.config.described import Key, sections
from supervisor.config.loaded import Loaded
from supervisor.core import diff
from supervisor.core.spec import Spec
from tests.config import keys
from tests.config.marked import load_text

ROOT = Path(__file__).parents[2]
KEYS = {key.id: key for section in sections() for key in section.keys}
ONE_BY_ONE = {name: key for name, key in KEYS.items() if key.cost != "as its keys"}


def test_every_key_says_everything() -> None:
    """``sections`` refuses a key without a class, a default or an example."""
    assert len(KEYS) > 150
    for name, key in KEYS.items():
        assert key.description.endswith((".", ")")), name
        assert "`" not in key.default, name
        assert key.form.words, name


def test_every_key_that_has_a_class_of_its_own_is_in_the_table() -> None:
    listed = [
        *keys.OF_A_PROCESS,
        *keys.OF_AN_ELECTION,
        *keys.OF_THE_FILE,
        *keys.OF_THE_OUTSIDE,
        *keys.OF_ETCD,
        *keys.OF_CONTROL,
    ]
    assert sorted(listed) == sorted(ONE_BY_ONE)


def test_a_key_that_is_a_section_costs_what_its_keys_say() -> None:
    for name, key in KEYS.items():
        is_section = str(key.form.json).startswith("{'$ref'")
        assert is_section == (key.cost == "as its keys"), name


# --- the class ---


def spec(directory: Path, tree: object) -> Spec:
    keys.furnish(directory)
    return load_text(directory, json.dumps(keys.placed(tree, directory))).spec


@pytest.mark.parametrize("key", [*keys.OF_A_PROCESS, *keys.OF_AN_ELECTION])
def test_the_daemon_can_be_sent_it(tmp_path: Path, key: str) -> None:
    """What the file holds is read in another process: nothing of a Spec may be the reader's own."""
    make = of_a_process if key in keys.OF_A_PROCESS else of_an_election
    made = make(tmp_path, key, new=False), make(tmp_path, key, new=True)
    for one in made:
        sent = apart._unpack(apart.pack(Loaded(spec=one, source="", hash="", files=(), directories=())))
        assert isinstance(sent, Loaded)
        assert sent.spec == one


def of_a_process(directory: Path, key: str, *, new: bool) -> Spec:
    needed: dict[str, Any] = {"needed": {"command": keys.IDLE}}
    return spec(directory, {"processes": {**needed, "p": keys.process(key, new=new)}})


def of_an_election(directory: Path, key: str, *, new: bool) -> Spec:
    return spec(directory, {"elections": {"e": keys.election(key, new=new)}})


@pytest.mark.parametrize("key", [*keys.OF_A_PROCESS, *keys.OF_AN_ELECTION])
def test_the_class_is_what_a_reload_would_say(tmp_path: Path, key: str) -> None:
    make = of_a_process if key in keys.OF_A_PROCESS else of_an_election
    changes = diff.diff(make(tmp_path, key, new=False), make(tmp_path, key, new=True))
    costs = {change.cost for change in changes}
    assert costs, "the two values of the table mean the same"
    if key in ("Process.instances", "Leader.processes", "Follower.processes"):
        assert costs == {diff.Cost.START}, "the difference is started, and nothing else is touched"
    else:
        assert costs == {ONE_BY_ONE[key].cost}


# --- the default ---


@pytest.mark.parametrize(
    "key", [k for k, d in ONE_BY_ONE.items() if d.written and not k.startswith(("Etcd.", "Notify.", "Control."))]
)
def test_a_default_that_is_written_out_changes_nothing(tmp_path: Path, key: str) -> None:
    table, make = (keys.OF_A_PROCESS, "p") if key in keys.OF_A_PROCESS else (keys.OF_AN_ELECTION, "e")
    base = {"command": keys.IDLE} if make == "p" else {"leader": {"processes": {"idle": {"command": keys.IDLE}}}}
    found = table[key]
    silent = keys.declared(key, keys.Case(old=keys.SILENT, new=0, beside=found.beside), base, new=False)
    written = keys.declared(
        key, keys.Case(old=0, new=json_schema.value(ONE_BY_ONE[key].default), beside=found.beside), base, new=True
    )
    where = "processes" if make == "p" else "elections"
    specs = [spec(tmp_path, {where: {make: tree}}) for tree in (silent, written)]
    assert specs[0] == specs[1]


@pytest.mark.parametrize("key", ["Etcd.namespace", "Etcd.campaign"])
def test_a_default_of_etcd_that_is_written_out_changes_nothing(tmp_path: Path, key: str) -> None:
    written = {"elections": {"e": {}}, "etcd": {key.partition(".")[2]: ONE_BY_ONE[key].default}}
    assert spec(tmp_path, {"elections": {"e": {}}}) == spec(tmp_path, written)


@pytest.mark.parametrize("key", [k for k, d in ONE_BY_ONE.items() if d.written and k.startswith("Notify.")])
def test_a_default_of_a_notification_that_is_written_out_changes_nothing(tmp_path: Path, key: str) -> None:
    silent = {"events": "all", "command": keys.IDLE}
    written = {**silent, key.partition(".")[2]: json_schema.value(ONE_BY_ONE[key].default)}
    specs = [
        spec(tmp_path, {"processes": {"p": {"command": keys.IDLE}}, "notify": {"n": n}}) for n in (silent, written)
    ]
    assert specs[0] == specs[1]


# --- the page ---


def test_the_page_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "reference" / "file.md").read_text()
    assert page == reference.page(), "run: make docs-reference"
    for key in KEYS.values():
        assert key.description.replace("*A ", "[A ")[:20] in page
        assert f"class: {key.cost}" in page


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_an_example_is_yaml(key: Key) -> None:
    assert yaml.safe_load(f"{key.name}: {key.example}")[key.name] is not None
