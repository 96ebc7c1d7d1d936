"""``metrics`` and ``notify``: what they ask for, and what is wrong with them."""

from pathlib import Path

import pytest

from supervisor.config.load import load
from supervisor.config.problems import ConfigError
from supervisor.core import diff
from supervisor.core.outside import MetricsSpec, NotifySpec, WebhookSpec
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
