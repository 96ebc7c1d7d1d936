"""The import graph, kept by a test that says why an edge is forbidden; and the bounds of the house style."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "supervisor"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "pb" not in p.relative_to(PACKAGE).parts)
DAEMONS_END = {"link", "pulse", "launch", "kin", "guardian"}
"""Of the guardian package, what the daemon loads; the guardian process loads the rest."""
JUDGEMENT = {"machine", "reconcile", "election", "lifecycle", "session"}
ADAPTERS = {"config", "etcd", "processes", "guardian", "control", "report"}
STANDARD_ONLY = {"grpc", "google", "yaml", "pydantic", "pydantic_core", "click", "rich", "textual", "asyncio"}
NOT_IN_THE_DAEMON = ("yaml", "pydantic", "pydantic_core", "click", "rich", "textual", "ssl", "hashlib")
"""Megabytes each. The file is read in a process of its own, the command line before the exec; gRPC has its own TLS."""
NOT_IN_THE_GUARDIAN = (*NOT_IN_THE_DAEMON, "asyncio", "grpc", "google", "dataclasses", "inspect", "pathlib", "urllib")
LONGEST_FUNCTION_LINES = 60
LONGEST_FILE_LINES = 450


def name_of(path: Path) -> str:
    return ".".join(("supervisor", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Every module a file imports, at the top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def forbidden(module: str, imported: str) -> str:
    """Why this edge must not be; empty when it may."""
    words, theirs = module.split("."), imported.split(".")
    mine = words[1] if len(words) > 1 else ""
    ours = theirs[0] == "supervisor"
    other = theirs[1] if ours and len(theirs) > 1 else ""
    if mine == "core":
        if (ours and other not in ("core", "")) or theirs[0] in STANDARD_ONLY | {"logging", "random", "time", "os"}:
            return "core decides; it has no clock, no I/O, no chance and no adapters"
        return ""
    if (
        mine == "guardian"
        and words[-1] not in DAEMONS_END
        and (theirs[0] in STANDARD_ONLY or other in ADAPTERS - {"guardian"})
    ):
        return "the guardian is standard library only, without asyncio: 9 MB, and nothing that can abort a fork"
    if mine in ADAPTERS and other in ADAPTERS - {mine}:
        return "adapters do not know each other; the daemon brings them together"
    if mine in ADAPTERS | {"cli"} and other == "core" and len(theirs) > 2 and theirs[2] in JUDGEMENT:
        return "adapters use the core's words, never its judgement; only daemon.loop calls step"
    if mine not in ("etcd", "control", "pb") and other == "pb" and module != "supervisor.processes.grpclook":
        return "protobuf names stop at etcd, control and the one probe that speaks gRPC"
    if mine == "daemon" and other == "config" and len(theirs) > 2 and theirs[2] not in ("apart", "problems", "loaded"):
        return "the daemon reads its file through config.apart, so that PyYAML and pydantic stay out of its memory"
    if mine == "cli" and other == "daemon" and words[-1] not in ("run", "elect", "entry"):
        return "the command line reaches a running daemon through control.client alone"
    if mine == "cli" and theirs[0] == "textual" and words[2] != "live":
        return "only the live view needs it, which only `top` loads; the other verbs start without it"
    if mine not in ("cli", "") and theirs[0] in ("click", "rich", "textual"):
        return "only the command line needs it; the daemon stays light"
    return ""


def test_something_is_looked_at() -> None:
    assert len(MODULES) > 40


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports(path: Path) -> None:
    broken = {i: why for i in imports(path) if (why := forbidden(name_of(path), i))}
    assert not broken


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_and_stays_readable(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module opens with what it promises"
    assert len(text.splitlines()) <= LONGEST_FILE_LINES, "a file has one subject"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno
            assert length <= LONGEST_FUNCTION_LINES, f"{node.name} does not fit on a screen"


@pytest.mark.parametrize(
    ("script", "then", "unwanted"),
    [
        ("daemon/__main__.py", "from supervisor.daemon.main import assembly; assembly()", NOT_IN_THE_DAEMON),
        ("guardian/__main__.py", "import supervisor.guardian.duty", NOT_IN_THE_GUARDIAN),
    ],
)
def test_what_a_process_never_loads(script: str, then: str, unwanted: tuple[str, ...]) -> None:
    code = f"""
import runpy, sys
before = set(sys.modules)
runpy.run_path({str(PACKAGE / script)!r})
{then}
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}))
"""
    # -S: what an editable install imports at the start is no business of ours.
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "supervisor" in loaded
    assert not loaded & set(unwanted)


def test_what_the_file_has_to_ask_for_is_loaded_then_and_not_before() -> None:
    asked_for = ("daemon.web", "control.feed", "control.page_parts", "report.page", "report.http", "report.metrics")
    code = "import sys, supervisor.daemon.assemble; print(*sys.modules)"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "supervisor.daemon.outside" in loaded
    assert not loaded & {f"supervisor.{name}" for name in asked_for}


def test_step_has_one_caller() -> None:
    callers = [name_of(p) for p in MODULES if "machine.step(" in p.read_text()]
    assert callers == ["supervisor.daemon.loop"]
