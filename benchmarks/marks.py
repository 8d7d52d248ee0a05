"""The number of a change, written into the row that it changes and found again in the feed. Pure.

Each collection has a form of its own, so that a joined title is not taken for the comment's text.
"""

from __future__ import annotations

import re

_LETTERS = {"movies": "m", "users": "u", "comments": "c"}
_FORMS = {name: re.compile(rf"{letter}#(\d+)".encode()) for name, letter in _LETTERS.items()}


def mark(collection: str, number: int) -> str:
    """
    >>> mark("movies", 7)
    'm#7'
    """
    return f"{_LETTERS[collection]}#{number}"


def newest(text: bytes, collection: str) -> int:
    """The largest number in the text of a row that a row of the collection carries; -1 when there is none.

    >>> newest(b'{"text":"Well. c#12","movie":{"title":"Take m#34"}}', "comments")
    12
    """
    return max((int(found) for found in _FORMS[collection].findall(text)), default=-1)
