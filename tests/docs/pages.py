"""The pages as values: their sections, tables, code blocks and links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6}) +(.+?)\s*$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


class Block(NamedTuple):
    """A fenced block: the language it names, and its text."""

    language: str
    text: str


def text_of(name: str) -> str:
    """The text of a page below `docs`."""
    return (DOCS / name).read_text(encoding="utf-8")


def without_blocks(text: str) -> str:
    return _FENCE.sub("", text)


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [block for found, block in _FENCE.findall(text) if found == language]


def headings(text: str) -> list[str]:
    return [title for _, title in _HEADING.findall(without_blocks(text))]


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    found = list(_HEADING.finditer(_FENCE.sub(lambda m: "\n" * m[0].count("\n"), text)))
    lines = text.split("\n")
    plain = _FENCE.sub(lambda m: "\n" * m[0].count("\n"), text)
    for i, match in enumerate(found):
        if match[2] == title:
            later = [m for m in found[i + 1 :] if len(m[1]) <= len(match[1])]
            first = plain[: match.start()].count("\n") + 1
            last = plain[: later[0].start()].count("\n") if later else len(lines)
            return "\n".join(lines[first:last])
    raise AssertionError(f"no heading {title!r}")


def first_cells(text: str) -> list[str]:
    """The names in code in the first cell of each row of the tables in a text."""
    rows = [line for line in text.split("\n") if line.startswith("| ") and not line.startswith("|--")]
    return [name for row in rows for name in _CODE.findall(re.split(r"(?<!\\)\|", row)[1])]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings(text)}
