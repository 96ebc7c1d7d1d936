"""docs/reference/imports.md: who imports whom, from the imports themselves."""

import ast
from collections import Counter
from pathlib import Path

from docs.made.reading import MADE, PACKAGE, modules, table

HEAD = """\
# The import graph

Every import of a module of ours by another package of ours, wherever in a file it stands: an arrow for each pair of packages. What may not be, and
why, is in `tests/test_architecture.py`; what the packages are for in [architecture](../architecture.md). The generated protobuf code (`pb`)
imports nothing of ours.

"""


def page() -> str:
    """The page."""
    edges = _edges()
    packages = sorted({name for edge in edges for name in edge})
    lines = ["```mermaid", "flowchart TD", *(f"  {_id(name)}[{name}]" for name in packages)]
    lines += [f"  {_id(importer)} --> {_id(imported)}" for importer, imported in sorted(edges)]
    lines += ["```", "", "## How many, and what each package is", ""]
    sizes = Counter(_package(path) for path in modules())
    rows = []
    for name in packages:
        theirs = ", ".join(f"{imported} ({n})" for (importer, imported), n in sorted(edges.items()) if importer == name)
        rows.append(
            (f"`{name}`", str(sizes[name]) if sizes[name] else "-", theirs or "nothing of ours", _promise(name))
        )
    lines += table(("package", "modules", "imports (from how many of its modules)", "in its own words"), rows)
    return MADE.format(source="the imports in supervisor/") + HEAD + "\n".join(lines)


def _edges() -> Counter[tuple[str, str]]:
    """Importing and imported package, and how many modules of the one do so."""
    found: Counter[tuple[str, str]] = Counter()
    for path in modules():
        importer = _package(path)
        imported = {_named(name) for name in _imports(path)} - {importer, ""}
        found.update((importer, one) for one in imported)
    return found


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _package(path: Path) -> str:
    """Of a file: its package, or its own name where it stands at the top."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def _named(module: str) -> str:
    """Of an imported name: the package of ours that it is of; empty: of none, or of the top itself."""
    words = module.split(".")
    if words[0] != "supervisor" or len(words) < 2:
        return ""
    top = PACKAGE / words[1]
    return words[1] if top.is_dir() or top.with_suffix(".py").exists() else ""


def _id(name: str) -> str:
    return f"p_{name.strip('_')}"


def _promise(name: str) -> str:
    """The first sentence of the package's docstring."""
    path = PACKAGE / name / "__init__.py" if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"
    if not path.exists():
        return "generated from protos/"
    text = ast.get_docstring(ast.parse(path.read_text())) or "generated from protos/"
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")
