"""Writes the reference pages that are made from the code; ``--check`` fails if that would change anything."""

import sys
from pathlib import Path

from supervisor.config import reference

ROOT = Path(__file__).resolve().parent.parent
PAGES = {Path("docs/reference/file.md"): reference.page}


def main() -> int:
    """Write, or compare."""
    stale = []
    for path, page in PAGES.items():
        text = page()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text:
            stale.append(path)
            if "--check" not in sys.argv:
                (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
                (ROOT / path).write_text(text, encoding="utf-8")
    if "--check" not in sys.argv:
        return 0
    for path in stale:
        print(f"{path} is not what the code says; run: make docs-reference")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
