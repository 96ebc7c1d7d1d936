"""The reference page of the file, ``docs/reference/file.md``: every key, in words.

Promises: made of ``described`` alone, as the editors' schema is: what a key means is written once, under it.
"""

from supervisor.config.described import Key, Section, sections
from supervisor.config.json_schema import COSTS

HEAD = """\
<!-- Made by docs/generate.py from supervisor/config/*schema.py, where the texts stand under the keys. Do not edit. -->
# The file, key by key

What each key means, what may stand there, what holds where it is left out, and what a change of it costs by reload:

| class | a change |
|---|---|
{classes}

Under an election with `reload: resign` every change is *re-campaign*. What is added is started and what is removed is
stopped, whatever the class; what stays equal does not notice (`supervisor reload` says what it does).

| value | is written |
|---|---|
| duration | a number and its unit, `ms`, `s`, `m`, `h` or `d`, or several: `500ms`, `10s`, `1m30s` |
| size | a number and its unit: `64KiB`, `50MB` (10^6 bytes each), `1GiB` (2^30 bytes) |
| path | absolute, or relative to the file that it is written in |
| name | up to 100 letters, digits, `.`, `_` and `-`, beginning with a letter or digit |
| text | as it is written: `no` is a word and `08` are two digits, whatever YAML takes them for |

`${{VAR}}` and `${{VAR:-default}}` may stand in every value: what the supervisor's environment says. `$$` is one `$`.

`supervisor schema` prints the same for editors; `supervisor check FILE` finds what is wrong with a file, all at once.

## Contents

{contents}
"""


def page() -> str:
    """The page."""
    found = sections()
    titles = {section.section: _title(section, found) for section in found}
    contents = "\n".join(f"- [{title}](#{_anchor(title)})" for title in titles.values())
    classes = "\n".join(f"| {name} | {words.removeprefix('a change ')} |" for name, words in COSTS.items())
    parts = [HEAD.format(classes=classes, contents=contents)]
    parts += [_section(section, titles[section.section], found) for section in found]
    return _linked("\n".join(parts))


def _linked(text: str) -> str:
    """``*A process*`` becomes a link to its section."""
    for title in _OWN_TITLE.values():
        text = text.replace(f"*{title}*", f"[{title}](#{_anchor(title)})")
    return text


_OWN_TITLE = {
    "File": "The file",
    "Election": "An election",
    "Process": "A process",
    "Hook": "A hook",
    "Socket": "A socket",
}


def _title(section: Section, found: tuple[Section, ...]) -> str:
    """``stop`` of a process: by the nearest section above that has a title of its own."""
    name = section.section.__name__
    if name in _OWN_TITLE:
        return _OWN_TITLE[name]
    above = [s for s in found if s.section.__name__ in _OWN_TITLE and s.path == section.path[: len(s.path)]]
    nearest = max(above, key=lambda s: len(s.path))
    rest = ".".join(section.path[len(nearest.path) :])
    title = _OWN_TITLE[nearest.section.__name__]
    return f"`{rest}`" if not nearest.path else f"`{rest}` of {title[0].lower()}{title[1:]}"


def _anchor(title: str) -> str:
    """As GitHub makes it."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _section(section: Section, title: str, found: tuple[Section, ...]) -> str:
    text = section.text.replace("``", "`")
    lines = [f"## {title}", "", text, ""]
    if section.section.__name__ in _OWN_TITLE and section.path:
        places = dict.fromkeys((section.path, *_places(section, found)))
        lines += [f"Stands at {', '.join(f'`{chr(46).join(place)}`' for place in places)}.", ""]
    for key in section.keys:
        lines += [*_key(key), ""]
    return "\n".join(lines)


def _places(section: Section, found: tuple[Section, ...]) -> list[tuple[str, ...]]:
    """Where else it stands: under every key, of any section, that takes it."""
    ref = f"'#/definitions/{section.section.__name__}'"
    places = []
    for other in found:
        for key in other.keys:
            if ref in str(key.form.json):
                named = ("NAME",) if "additionalProperties" in str(key.form.json) else ()
                places.append((*other.path, key.name, *named))
    return places


def _key(key: Key) -> list[str]:
    default = f"`{key.default}`" if key.written else key.default
    required = key.default == "required"
    facts = [
        key.form.words,
        "**required**" if required else f"default: {default}",
        f"class: {key.cost}",
        f"example: `{key.name}: {key.example}`",
    ]
    return [f"**`{key.name}`**: {key.description}", f"<br>{' · '.join(facts)}"]
