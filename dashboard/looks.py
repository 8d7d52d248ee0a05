"""The script that gives a page its look before it is drawn, for the heads of the page and of the sign-in page."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path


@cache
def look_script() -> str:
    """The text of the script element."""
    return Path(__file__).with_name("look.js").read_text(encoding="utf-8")


@cache
def look_source() -> str:
    """The one script that a content security policy has to allow for it: the hash of the text."""
    digest = hashlib.sha256(look_script().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
