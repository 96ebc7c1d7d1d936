"""The ``log`` of a process: what it becomes, and each mistake at its place."""

from pathlib import Path

import pytest

from supervisor.core.diff import Cost, diff
from supervisor.core.names import ElectionName, ProcessId, ProcessName
from supervisor.core.spec import LogSpec, LogTarget, SyslogFormat
from tests.config.marked import check_marked, load_text

P = "processes:\n  p:\n    command: [sleep, inf]\n    log: "


def loaded(tmp_path: Path, text: str) -> LogSpec:
    spec = load_text(tmp_path, P + text).spec
    return spec.process_specs()[ProcessId(ElectionName(""), ProcessName("p"))].log


def test_silence_is_our_own_output_and_a_file_is_the_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, "{}").destinations() == (LogTarget.STDOUT,)
    assert loaded(tmp_path, "{file: p.log}").destinations() == (LogTarget.FILE,)
    assert loaded(tmp_path, "{to: none}").destinations() == ()
    assert loaded(tmp_path, "{to: journal}").destinations() == (LogTarget.JOURNAL,)


def test_everything_at_once(tmp_path: Path) -> None:
    text = (
        "{to: [file, journal, syslog], file: p.log, stderr_file: /var/log/p.err, max_size: off, max_age: 1d, keep: 3, "
        "compress: gzip, format: json, syslog: {facility: local3, format: rfc5424}}"
    )
    assert loaded(tmp_path, text) == LogSpec(
        targets=(LogTarget.FILE, LogTarget.JOURNAL, LogTarget.SYSLOG),
        file=f"{tmp_path}/p.log",
        stderr_file="/var/log/p.err",
        max_size_bytes=0,
        max_age_seconds=86400.0,
        keep=3,
        compress=True,
        json=True,
        syslog_facility="local3",
        syslog_format=SyslogFormat.RFC5424,
    )
    assert loaded(tmp_path, "{timestamps: on, prefix: off}") == LogSpec(timestamps=True, prefix=False)


def test_a_change_of_it_is_live(tmp_path: Path) -> None:
    old = load_text(tmp_path, P + "{file: p.log}").spec
    new = load_text(tmp_path, P + "{to: journal}").spec
    (change,) = diff(old, new)
    assert (change.cost, change.keys) == (Cost.LIVE, ("log",))


MISTAKES = {
    "unknown target": ("{to: ¤jurnal}", "did you mean 'journal'?"),
    "unknown target in a list": ("{to: [stdout, ¤disk]}", "write one of: file, stdout, journal, syslog, none"),
    "twice": ("{to: [stdout, ¤stdout]}", "'stdout' is given twice"),
    "none beside others": ("{¤to: [none, journal]}", "none beside others"),
    "file without its name": ("{¤to: file}", "no file is named"),
    "file that nothing goes to": ("{to: journal, ¤file: p.log}", "'to' does not name it"),
    "rotation without a file": ("{¤compress: gzip}", "'compress' without a file"),
    "tiny": ("{file: p.log, max_size: ¤10B}", "too small for a log file; write 1kB or more, or off"),
    "age": ("{file: p.log, max_age: ¤10s}", "write 1m or more"),
    "compression": ("{file: p.log, compress: ¤zstd}", "is not one of gzip, off"),
    "nothing to compress": ("{file: p.log, keep: 0, ¤compress: gzip}", "'keep' is 0"),
    "format": ("{format: ¤jsno}", "did you mean 'json'?"),
    "stamped json": ("{format: json, ¤timestamps: on}", "would make it none"),
    "facility": ("{to: syslog, syslog: {facility: ¤local9}}", "is not one of daemon"),
    "syslog without syslog": ("{¤syslog: {facility: user}}", "nothing goes there"),
    "stamps for the journal": ("{to: journal, ¤timestamps: on}", "changes nothing"),
    "same file": ("{file: p.log, stderr_file: ¤p.log}", "is the file itself"),
    "two of one": ("{file: l}\n  q: {command: x, log: {file: m, stderr_file: ¤l}}", "two processes write to"),
}


@pytest.mark.parametrize(("text", "fragment"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(tmp_path: Path, text: str, fragment: str) -> None:
    check_marked(tmp_path, P + text, fragment)


def test_the_example_of_the_docs_loads(tmp_path: Path) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "processes.md").read_text()
    section = docs.split("## What it says: `log`")[1]
    spec = load_text(tmp_path, section.split("```yaml\n")[1].split("```")[0]).spec
    assert {str(pid): p.log.destinations()[0] for pid, p in spec.process_specs().items()} == {
        "api": LogTarget.FILE,
        "worker": LogTarget.FILE,
        "exporter": LogTarget.SYSLOG,
    }
