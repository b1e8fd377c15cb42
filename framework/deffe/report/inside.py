"""The folder of a point as a served page shows it: its files as plain text, and nothing outside it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import quote

MOST_FILES = 1_000
MOST_BYTES = 1 << 20
Answer = tuple[int, str, str]
"""Status, type and text."""
NOTHING: Answer = (404, "text/plain", "there is nothing here")


def inside(folder_of: Callable[[int, int], Path | None], path: str) -> Answer:
    """What stands at ``EXPLORATION/NUMBER/PATH``: a list of files, or the end of one."""
    exploration, _, rest = path.partition("/")
    number, slash, rest = rest.partition("/")
    if not (exploration.isdecimal() and number.isdecimal() and slash):
        return NOTHING
    folder = folder_of(int(exploration), int(number))
    if folder is None or "\0" in rest:
        return NOTHING
    try:
        folder = folder.resolve()
        found = (folder / rest).resolve()  # a link may lead elsewhere
        if not found.is_relative_to(folder) or (found.is_dir() and rest and not rest.endswith("/")):
            return NOTHING
        if found.is_dir():
            return 200, "text/html", _list(folder, found)
        return (200, "text/plain", _end(found)) if found.is_file() else NOTHING
    except OSError as error:
        return 404, "text/plain", f"this cannot be read: {error.strerror or error}"


def _list(folder: Path, found: Path) -> str:
    names = sorted(f"{one.name}/" if one.is_dir() else one.name for one in found.iterdir())
    above = ["../"] if found != folder else []
    links = (f'<li><a href="{quote(name.encode("utf-8", "surrogateescape"))}">{escape(name)}</a></li>'
             for name in [*above, *names[:MOST_FILES]])  # fmt: skip
    more = f"<p>and {len(names) - MOST_FILES:,} more</p>" if len(names) > MOST_FILES else ""
    head = f'<title>{escape(found.name)}</title><meta name="viewport" content="width=device-width">'
    head += '<meta name="color-scheme" content="light dark">'
    return f"<!DOCTYPE html>{head}<p>{escape(str(found))}</p><ul>{''.join(links)}</ul>{more}"


def _end(file: Path) -> str:
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(max(size - MOST_BYTES, 0))
        text = opened.read(MOST_BYTES).decode("utf-8", "replace")
    return text if size <= MOST_BYTES else f"(the last {MOST_BYTES:,} of {size:,} bytes)\n{text}"
