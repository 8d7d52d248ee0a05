"""A filter in the page's address, so that a colleague sees the same. Pure."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode

PARAMETER = "filter"


def to_query(text: str) -> str:
    """The filter as a part of an address's query; empty for no filter."""
    return urlencode({PARAMETER: text}) if text.strip() else ""


def from_query(query: str) -> str:
    """The filter that an address's query names, empty when it names none. It need not parse."""
    try:
        found = parse_qs(query.removeprefix("?"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return ""
    return found.get(PARAMETER, [""])[0].strip()
