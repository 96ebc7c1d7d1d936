"""What the pages share: reading docstrings of members, comparing what is told with what is there, and tables."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "supervisor"
MADE = "<!-- Made by docs/generate.py from {source}. Do not edit. -->\n"


class StaleError(Exception):
    """The code has what the page does not tell, or the page tells what the code has not."""


def members(path: Path, owner: str = "") -> dict[str, str]:
    """Each assigned name of a module, or of a class in it, with the docstring below it, on one line; empty without one."""
    tree = ast.parse(path.read_text())
    body = tree.body
    if owner:
        body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner)
    found: dict[str, str] = {}
    last = ""
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name):
            last = target.id
            found[last] = ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            found[last] = " ".join(str(node.value.value).split()).replace("``", "`")
            last = ""
        else:
            last = ""
    return found


def modules() -> list[Path]:
    """Every file of the program but what protoc made."""
    return sorted(p for p in PACKAGE.rglob("*.py") if "pb" not in p.relative_to(PACKAGE).parts)


def agree(what: str, *, told: Iterable[str], there: Iterable[str]) -> None:
    """Raise StaleError unless both are the same."""
    told, there = set(told), set(there)
    if told != there:
        raise StaleError(f"{what}: not told of {sorted(there - told)}; told of, and not there {sorted(told - there)}")


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table's lines."""
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
