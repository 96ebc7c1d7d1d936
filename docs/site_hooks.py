"""What the site needs beyond the pages: the front page, the changelog, the decisions in their order, and the files they link to.

Promises: the README is the front page, so that there is one text and not two; a link to a file of the repository leads to that
file as a page of the site; a link that leads nowhere is a warning, and a warning ends the build. Does not: change a page.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "reporting.md": "SECURITY.md",
    "contributing.md": "CONTRIBUTING.md",
}
"""Pages that are files elsewhere."""
LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".service": "ini", ".sh": "sh", ".toml": "toml", ".json": "json"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the decisions into the navigation, in their order."""
    decisions = sorted(p.name for p in (ROOT / "docs/decisions").glob("*.md"))
    assert config.nav is not None
    config.nav.append({"Decisions": [f"decisions/{name}" for name in decisions]})
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are files elsewhere, and every file of the repository that a page links to."""
    for name, source in PAGES.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text()))
    pages = list(files.documentation_pages())
    while pages:  # what is added may link to more
        linked = {t for f in pages for t in _outside(f.src_uri, f.content_string)}
        missing = sorted(t for t in linked if files.get_file_from_path(_page_of(t)) is None)
        pages = [File.generated(config, _page_of(target), content=_shown(ROOT / target)) for target in missing]
        for page in pages:
            files.append(page)
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Lead the links of a page to where the site has what they name."""
    here = page.file.src_uri

    def led(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        found = _resolved(here, target)
        if found is None:
            return match[0]
        to = _page_of(found)
        return f"]({relpath(to, str(PurePosixPath(here).parent))}{anchor})"

    return LINK.sub(led, markdown)


def on_post_page(output: str, **_: object) -> str:
    """Take out the one script that the search of a page opened from a folder would fetch from elsewhere."""
    return re.sub(r'<script src="https://[^"]*"></script>', "", output)


def _outside(src_uri: str, markdown: str) -> Iterator[str]:
    for match in LINK.finditer(markdown):
        found = _resolved(src_uri, match[1])
        if found is not None and not (found.startswith("docs/") and not found.endswith(".py")):
            yield found


def _resolved(src_uri: str, target: str) -> str | None:
    """The file or folder of the repository that a link of a page names, as a path from the root; None if there is none."""
    path = normpath(str(_folder_of(src_uri) / target))
    return path if not path.startswith("..") and (ROOT / path).exists() else None


def _folder_of(src_uri: str) -> PurePosixPath:
    """Where in the repository that stands which a page shows."""
    if not src_uri.startswith("source/"):
        return PurePosixPath(PAGES.get(src_uri, f"docs/{src_uri}")).parent
    shown = src_uri.removeprefix("source/").removesuffix(".md")
    return PurePosixPath(shown) if (ROOT / shown).is_dir() else PurePosixPath(shown).parent


def _page_of(path: str) -> str:
    for name, source in PAGES.items():
        if path == source:
            return name
    if path.startswith("docs/") and (ROOT / path).is_file() and not path.endswith(".py"):
        return path.removeprefix("docs/")
    if path == "docs/decisions":
        return "decisions/0001-pure-core.md"
    return f"source/{path}.md" if not path.endswith(".md") else f"source/{path}"


def _shown(path: Path) -> str:
    name = path.relative_to(ROOT)
    if path.suffix == ".md":
        return path.read_text()
    if path.is_dir():
        listed = "\n\n".join(_shown(p) for p in sorted(path.iterdir()) if p.is_file())
        return f"# {name}\n\n{listed}"
    return f"## {path.name}\n\n~~~~{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text()}~~~~\n"
