"""What the keys of a process's ``log`` mean together. As ``relations``: on the tree alone, malformed values passed over."""

from collections.abc import Sequence
from pathlib import Path

from supervisor.config.problems import Place, Problems
from supervisor.config.tree import Entry, ListNode, MapNode, Node, child, directory_of, entries, text
from supervisor.config.units import shown

OF_A_FILE = ("stderr_file", "max_size", "max_age", "keep", "compress")
OF_LINES = ("format", "timestamps", "prefix")
"""What is done to lines on their way to a file or to the supervisor's own output."""


def check(processes: Sequence[Entry], problems: Problems) -> None:
    """Report what does not fit in any ``log``, and files that two processes write."""
    seen: dict[Path, Place] = {}
    for process in processes:
        log = child(process.node, "log")
        if isinstance(log, MapNode):
            _check_targets(log, problems)
            _check_format(log, problems)
            _check_files(log, process.key, seen, problems)


def _targets(log: MapNode) -> list[tuple[str, Node]]:
    node = child(log, "to")
    nodes = node.items if isinstance(node, ListNode) else () if node is None else (node,)
    return [(word, item) for item in nodes if (word := text(item)) is not None]


def _check_targets(log: MapNode, problems: Problems) -> None:
    given, targets = log.entries, _targets(log)
    words = [word for word, _ in targets]
    to_file = "file" in words if "to" in given else "file" in given
    for number, (word, node) in enumerate(targets):
        if word in words[:number]:
            problems.add(node.place, f"to: {shown(word)} is given twice", "keep one of the two")
    if "none" in words and len(words) > 1:
        problems.add(given["to"].key, "to: none beside others", "keep none, or the others")
    if "to" in given and "file" in given and not to_file:
        problems.add(
            given["file"].key, "log: 'file' is given, but 'to' does not name it", "add file to 'to', or remove it"
        )
    if "file" in words and "file" not in given:
        problems.add(given["to"].key, "to: file, but no file is named", "add 'file: /var/log/...'")
    if not to_file and "file" not in given:
        for key in OF_A_FILE:
            if key in given:
                problems.add(given[key].key, f"log: '{key}' without a file", "add 'file: /var/log/...', or remove it")
    if "syslog" in given and "syslog" not in words:
        problems.add(given["syslog"].key, "log: 'syslog' is described, but nothing goes there", "add syslog to 'to'")
    if "to" in given and words and not {"file", "stdout"} & set(words):
        for key in OF_LINES:
            if key in given:
                message = f"log: '{key}' changes nothing: lines go to neither a file nor stdout"
                problems.add(given[key].key, message, "remove it: the journal and syslog have their own time and names")


def _check_format(log: MapNode, problems: Problems) -> None:
    given = entries(log)
    if text(child(log, "format")) == "json":
        for key in ("timestamps", "prefix"):
            if text(child(log, key)) in ("on", "true", "yes"):
                message = f"log: '{key}' before a JSON object would make it none"
                problems.add(given[key].key, message, "remove it: lines that are no JSON get time and name as keys")
    if text(child(log, "keep")) == "0" and text(child(log, "compress")) == "gzip":
        problems.add(given["compress"].key, "log: nothing to compress: 'keep' is 0", "keep some, or remove 'compress'")


def _check_files(log: MapNode, process: Place, seen: dict[Path, Place], problems: Problems) -> None:
    for key in ("file", "stderr_file"):
        node = child(log, key)
        written = text(node)
        if node is None or not written:
            continue
        path = directory_of(node.place.file) / written
        if str(path.parent) in ("/dev", "/dev/fd"):  # /dev/null, /dev/stderr: not rotated
            continue
        first = seen.get(path)
        if first is process:
            problems.add(node.place, "log: 'stderr_file' is the file itself", "remove it: stderr goes there anyway")
        elif first is not None:
            name = shown(str(path), most=300)
            if first == process:  # of one declaration
                message = f"the instances of a process write to {name}"
                problems.add(node.place, message, "write {instance} where their names are to differ")
            else:
                message = f"two processes write to {name}, the other is at {first}"
                problems.add(node.place, message, "give each its own file: they are rotated one by one")
        seen.setdefault(path, process)
