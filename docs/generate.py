"""Writes the reference pages that are made from the code; ``--check`` fails if that would change anything.

Run it from the root of the repository: ``python -m docs.generate`` (``make docs-reference``).
"""

import sys
from collections.abc import Callable
from pathlib import Path

from docs.made import commands, environment, events, exits, graph, keys, metrics, states
from supervisor.config import reference

ROOT = Path(__file__).resolve().parent.parent
PAGES: dict[str, Callable[[], str]] = {
    "file": reference.page,
    "commands": commands.page,
    "environment": environment.page,
    "events": events.page,
    "exit-codes": exits.page,
    "keys-in-etcd": keys.page,
    "metrics": metrics.page,
    "states": states.page,
    "imports": graph.page,
}
"""By the name of the page below docs/reference."""


def main() -> int:
    """Write, or compare."""
    stale = []
    for name, page in PAGES.items():
        path = ROOT / "docs" / "reference" / f"{name}.md"
        text = page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT))
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if "--check" not in sys.argv:
        return 0
    for path in stale:
        print(f"{path} is not what the code says; run: make docs-reference")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
