"""However a file is changed, and whenever: a real daemon adopts it wholly or not at all, and what is unchanged feels nothing."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import COMMAND, Make, Node, runs, until

pytestmark = pytest.mark.system

FILE = "processes:\n  stays: {{command: [sleep, infinity]}}\n  moves: {{command: [sleep, '{seconds}']}}\n"
WITHOUT_OUR_POWERS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""As any user who is not root: a file whose mode says no cannot be read."""


def config(one: Node) -> dict[str, Any]:
    found = one.status()["config"]
    assert isinstance(found, dict)
    return found


def generation(one: Node) -> int:
    return int(config(one)["generation"])


def command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []  # it has ended


def open_files(pid: int) -> set[Path]:
    found = set()
    with suppress(OSError):  # it has ended
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(fd.readlink())
    return found


def ready(make: Make, text: str = FILE.format(seconds=1001), **options: Any) -> Node:
    one = make("one", text, **options)
    until(lambda: "stays: started" in one.says(), "the processes")
    return one


def becomes(one: Node, seconds: int) -> None:
    """The changed process is the new one."""
    until(lambda: command_of(one.pid_of("moves")) == ["sleep", str(seconds)], f"sleep {seconds}")


def rename_over(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text)
    beside.replace(path)


def backup_and_write(path: Path, text: str) -> None:
    """As vim with backups: the file is away for a moment."""
    path.replace(path.with_name(f"{path.name}~"))
    path.write_text(text)


@pytest.mark.parametrize("save", [Path.write_text, rename_over, backup_and_write])
def test_every_way_to_save(node: Make, save: Any) -> None:
    one = ready(node)
    stays = one.pid_of("stays")
    for seconds in (1002, 1003):
        save(one.file, FILE.format(seconds=seconds))
        becomes(one, seconds)
    assert one.pid_of("stays") == stays
    assert runs(stays)


def test_a_config_map_is_swapped_as_a_whole(node: Make) -> None:
    one = ready(node)
    one.end()
    for name, seconds in (("..1", 1001), ("..2", 1002)):
        (one.home / name / "conf.d").mkdir(parents=True)
        (one.home / name / "file.yaml").write_text("include: [conf.d/*.yaml]\n" + FILE.format(seconds=seconds))
        (one.home / name / "conf.d" / "more.yaml").write_text(
            f"processes: {{more: {{command: [sleep, '{seconds}']}}}}\n"
        )
    (one.home / "..data").symlink_to("..1")
    one.file.unlink()
    one.file.symlink_to("..data/file.yaml")
    (one.home / "conf.d").symlink_to("..data/conf.d")
    one.log.unlink()
    one.start()
    until(lambda: "more: started" in one.says(), "the included process")
    stays, before = one.pid_of("stays"), generation(one)
    (one.home / "..new").symlink_to("..2")
    (one.home / "..new").replace(one.home / "..data")
    becomes(one, 1002)
    until(lambda: command_of(one.pid_of("more")) == ["sleep", "1002"], "the included file's change")
    assert generation(one) == before + 1
    assert one.pid_of("stays") == stays


def test_several_files_changed_at_once_are_one_change(node: Make) -> None:
    one = ready(node, "include: [conf.d/*.yaml]\n" + FILE.format(seconds=1001))
    directory = one.home / "conf.d"
    directory.mkdir()
    one.daemon.send_signal(signal.SIGSTOP)  # so that all of them are there at its next look, however slow we are
    for number in range(5):
        (directory / f"{number}.yaml").write_text(f"processes: {{p{number}: {{command: [sleep, infinity]}}}}\n")
    one.file.write_text("include: [conf.d/*.yaml]\n" + FILE.format(seconds=1002))
    one.daemon.send_signal(signal.SIGCONT)
    becomes(one, 1002)
    until(lambda: all(f"p{number}: started" in one.says() for number in range(5)), "the processes of all files")
    assert one.run("reload").returncode == 0
    assert generation(one) == 2


def test_half_a_file_is_not_adopted_though_it_is_a_good_one(node: Make) -> None:
    text = "processes:\n  moves: {command: [sleep, '1002']}\n"
    one = ready(node)
    stays = one.pid_of("stays")
    with one.file.open("w") as writer:
        writer.write(text)  # good, and 'stays' is not in it
        writer.flush()
        asked = subprocess.Popen([*COMMAND, "reload", "--socket", str(one.socket)], stdout=subprocess.DEVNULL)

        def reader_waits() -> bool:
            writer.write("# still writing\n")
            writer.flush()
            tasks = Path(f"/proc/{one.daemon.pid}/task").iterdir()  # children are listed by the thread that began them
            children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
            return any(one.file in open_files(pid) for pid in children)

        until(reader_waits, "a reader that has the file open and does not read it")
        writer.write("  stays: {command: [sleep, infinity]}\n")
    assert asked.wait(30) == 0
    becomes(one, 1002)
    assert one.pid_of("stays") == stays
    assert runs(stays)


def test_a_file_that_is_gone_changes_nothing_and_is_told_of(node: Make) -> None:
    one = ready(node)
    stays = one.pid_of("stays")
    one.file.unlink()
    until(lambda: "there is no such file" in one.says(), "the news in the log")
    (problem,) = config(one)["problems"]
    assert "there is no such file" in problem
    assert one.run("status").returncode == 1
    assert one.run("reload").returncode == 78
    one.file.write_text(FILE.format(seconds=1002))
    becomes(one, 1002)
    assert (one.pid_of("stays"), config(one)["problems"]) == (stays, [])


def test_permissions_that_are_lost_change_nothing_and_are_told_of(node: Make) -> None:
    one = ready(node, prefix=WITHOUT_OUR_POWERS)
    stays = one.pid_of("stays")
    one.file.chmod(0)
    until(lambda: "may not read this file" in one.says(), "the news in the log")
    assert "may not read this file" in config(one)["problems"][0]
    one.file.chmod(0o600)
    until(lambda: not config(one)["problems"], "that all is well")
    one.file.write_text(FILE.format(seconds=1002))
    becomes(one, 1002)
    assert one.pid_of("stays") == stays


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has so much to lose")
def test_root_refuses_a_file_that_others_may_write_at_the_start_and_at_a_reload(node: Make) -> None:
    one = ready(node)
    one.file.chmod(0o666)
    until(lambda: "may be written to by everybody" in one.says(), "the refusal")
    assert "--insecure-permissions" in config(one)["problems"][0]
    one.end()
    checked = [*COMMAND, "check", str(one.file)]
    assert subprocess.run(checked, capture_output=True, timeout=30, check=False).returncode == 78
    checked.append("--insecure-permissions")
    assert subprocess.run(checked, capture_output=True, timeout=30, check=False).returncode == 0
    one.start()
    assert one.daemon.wait(20) == 78
    one.log.unlink()
    one.options.append("--insecure-permissions")
    one.start()
    until(lambda: "stays: started" in one.says(), "the processes")
    assert config(one)["problems"] == []


def test_a_storm_of_signals_while_the_file_changes_ends_with_the_last_one(node: Make) -> None:
    one = ready(node)
    stays = one.pid_of("stays")
    for seconds in range(1002, 1042):
        text = FILE.format(seconds=seconds) if seconds % 4 else "processes: [\n"
        rename_over(one.file, text)
        for _ in range(10):
            one.daemon.send_signal(signal.SIGHUP)
    asked = [subprocess.Popen([*COMMAND, "reload", "--socket", str(one.socket)]) for _ in range(4)]
    assert [each.wait(60) for each in asked] == [0, 0, 0, 0]
    becomes(one, 1041)
    assert one.pid_of("stays") == stays
    assert config(one)["problems"] == []


# --- while an election is on its way ---------------------------------------------------------------------------------

ELECTION = """\
etcd: {{endpoints: ["{endpoint}"], namespace: {namespace}}}
elections:
  job:
    ttl: 5s
    leader:
      processes:
        work: {{command: [sh, -c, '{script}'], stop: {{timeout: 30s}}}}
"""
WORK = 'echo {word} >> {log}; trap "until test -e {go}; do sleep 0.05; done; exit 0" TERM; while :; do sleep 0.05; done'


def election(etcd: EtcdServer, namespace: str, directory: Path, word: str) -> str:
    script = WORK.format(word=word, log=directory / "said", go=directory / "go")
    return ELECTION.format(endpoint=etcd.endpoint, namespace=namespace, script=script)


def said(directory: Path) -> list[str]:
    path = directory / "said"
    return path.read_text().split() if path.exists() else []


def phase(one: Node) -> str:
    return str(one.election()["phase"])


def test_during_a_campaign(node: Make, fresh_etcd: EtcdServer, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    fresh_etcd.freeze()
    one = node("one", election(fresh_etcd, namespace, tmp_path, "before"))
    until(lambda: "configuration adopted" in one.says(), "the first file")
    one.file.write_text(election(fresh_etcd, namespace, tmp_path, "after"))
    until(lambda: generation(one) == 2, "the second file")
    assert phase(one) != "leading"
    fresh_etcd.thaw()
    until(lambda: said(tmp_path), "the leader's process")
    assert said(tmp_path) == ["after"]


def test_during_a_demotion(node: Make, fresh_etcd: EtcdServer, namespace: str, tmp_path: Path) -> None:
    one = node("one", election(fresh_etcd, namespace, tmp_path, "before"))
    until(lambda: said(tmp_path) == ["before"], "the leader's process")
    token = one.election()["token"]
    resigning = subprocess.Popen([*COMMAND, "resign", "job", "--socket", str(one.socket)], stdout=subprocess.DEVNULL)
    until(lambda: phase(one) == "stepping-down", "the demotion")
    one.file.write_text(election(fresh_etcd, namespace, tmp_path, "after"))
    until(lambda: generation(one) == 2, "the second file")
    assert said(tmp_path) == ["before"]  # the old process is still there: no other beside it
    assert phase(one) == "stepping-down"
    (tmp_path / "go").touch()
    assert resigning.wait(30) == 0
    until(lambda: len(said(tmp_path)) == 2, "the next term's process", 30)
    assert said(tmp_path) == ["before", "after"]
    assert one.election()["token"] > token
