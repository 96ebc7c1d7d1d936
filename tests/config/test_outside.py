"""``metrics``, ``web`` and ``notify``: what they ask for, and what is wrong with them."""

from pathlib import Path

import pytest

from supervisor.config.load import load
from supervisor.config.problems import ConfigError
from supervisor.core import diff
from supervisor.core.outside import MetricsSpec, NotifySpec, WebhookSpec, WebSpec
from supervisor.core.spec import Spec

REST = "\nprocesses: {one: {command: /bin/true}}\n"
"""A file that asks for nothing is refused."""


def read(tmp_path: Path, text: str) -> Spec:
    file = tmp_path / "file.yaml"
    file.write_text(text + REST)
    return load(file, environ={"TOKEN": "s3cret"}, node="one", hostname="h").spec


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    spec = read(
        tmp_path,
        """
metrics: {address: "[::1]:9977"}
notify:
  pager:
    events: [term-won, term-ended, term-won]
    elections: a
    webhook: {url: "https://u:p@example.org/x", headers: {X-Token: "${TOKEN}"}, ca: ca.pem}
    timeout: 3s
    retries: 0
    backoff: 2s..9s
  all: {events: all, command: bin/note --loud, user: nobody}
  short: {events: stopping, webhook: "http://127.0.0.1:1/"}
""",
    )
    assert spec.metrics == MetricsSpec(host="[::1]", port=9977)
    hook = WebhookSpec(url="https://u:p@example.org/x", headers={"X-Token": "s3cret"}, ca=str(tmp_path / "ca.pem"))
    assert spec.notify["pager"] == NotifySpec(
        name="pager",
        events=("term-won", "term-ended"),
        elections=("a",),
        webhook=hook,
        timeout_seconds=3,
        retries=0,
        backoff_min_seconds=2,
        backoff_max_seconds=9,
    )
    assert "s3cret" not in repr(spec)
    assert "u:p" not in repr(spec)
    assert (spec.notify["all"].events, spec.notify["all"].command[1:], spec.notify["all"].user) == (
        (),
        ("--loud",),
        "nobody",
    )
    assert spec.notify["short"].webhook == WebhookSpec(url="http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metrics: {address: 9977}", "write 127.0.0.1:9977"),
        ("metrics: {address: ':9977'}", "write 127.0.0.1:9977"),
        ("metrics: {address: localhost}", "write localhost:9977"),
        ("metrics: {}", "address"),
        ("notify: {a: {events: term-wn, command: x}}", "term-won"),
        ("notify: {a: {events: [], command: x}}", "the list is empty"),
        ("notify: {a: {events: all}}", "neither 'command' nor 'webhook'"),
        ("notify: {a: {events: all, command: x, webhook: 'http://a/'}}", "both 'command' and 'webhook'"),
        ("notify: {a: {events: all, webhook: 'ftp://a/'}}", "http"),
        ("elections: {a: {history: -1}}", "history"),
    ],
)
def test_what_is_wrong_is_said_with_a_remedy(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as found:
        read(tmp_path, text)
    assert words in "\n".join(map(str, found.value.problems))


def test_a_change_is_live_and_named(tmp_path: Path) -> None:
    before = read(tmp_path, "notify: {a: {events: all, command: /bin/x}}")
    after = read(tmp_path, "metrics: {address: 127.0.0.1:1}")
    assert [str(change) for change in diff.diff(before, after)] == ["live metrics", "live notify"]


def test_a_page_shows_no_logs_and_has_no_names_unless_the_file_says_so(tmp_path: Path) -> None:
    assert read(tmp_path, "web: {address: 127.0.0.1:9978}").web == WebSpec(host="127.0.0.1", port=9978)
    text = "web: {address: '[::1]:9978', logs: on, names: [Fleet.example.org, fleet.example.org.]}"
    wanted = WebSpec(host="[::1]", port=9978, logs=True, names=("fleet.example.org",))
    assert read(tmp_path, text).web == wanted


@pytest.mark.parametrize(
    ("address", "warned"),
    [("127.0.0.1:1", False), ("localhost:1", False), ("127.8.0.1:1", False), ("'[::1]:1'", False), ("0.0.0.0:1", True),
     ("10.0.0.1:1", True), ("'[::]:1'", True), ("web-1.example.org:1", True)],
)  # fmt: skip
def test_a_page_that_more_than_this_machine_reaches_is_warned_of(address: str, warned: bool, tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(f"processes: {{p: {{command: /bin/true}}}}\nweb: {{address: {address}}}\n")
    warnings = load(file, environ={}, node="one", hostname="h").warnings
    assert [w.line for w in warnings] == ([2] if warned else [])
    assert all("without a password" in str(w) and "reverse proxy" in w.remedy for w in warnings)


def test_a_change_of_the_page_is_live(tmp_path: Path) -> None:
    before = read(tmp_path, "web: {address: 127.0.0.1:1}")
    after = read(tmp_path, "web: {address: 127.0.0.1:1, logs: on}")
    assert [str(change) for change in diff.diff(before, after)] == ["live web"]
