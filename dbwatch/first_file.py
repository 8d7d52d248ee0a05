"""The text of a first `dbwatch.toml`, with comments for whoever edits it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from dbwatch.guesses import Lookup, View

_HEAD = """\
# What is watched, and what is joined with what. Guessed by `dbwatch init` from documents of {database}: look it over.
# docs/configuration.md explains every key.
#
# [views.NAME]               a feed of one collection; `collection` names it if it is not NAME
#   mask = ["password"]      fields that leave MongoDB nowhere, not even as a part of another view
#   fields = ["a", "b.c"]    the only fields to keep; without it all that are not masked
# [views.NAME.lookups.ROW]   adds ROW: the row of `collection` whose `foreign` equals this row's `local`
"""


_ARCHIVE = """\
# Every change, without what is masked, is kept in files that the past can be read from; docs/archive.md says how.
[archive]
folder = "archive"
keep = "7d"         # or "12h", "4w", "forever"
max_size = "20GB"   # what is oldest goes first
"""


def first_file(database: str, views: Sequence[View], left_out: Sequence[str]) -> str:
    """TOML that `parse_views` takes; `left_out` are those that cannot be watched."""
    parts = [_HEAD.format(database=database)]
    if left_out:
        parts.append(f"# Left out, as views and time series have no changes to watch: {', '.join(left_out)}\n")
    parts += [_view(view) for view in views]
    return "\n".join([*parts, _ARCHIVE])


def _view(view: View) -> str:
    table = f"views.{_key(view.collection)}"
    lines = [f"[{table}]"]
    if view.mask:
        lines.append(f"mask = {_texts(view.mask)}  # looks secret")
    return "\n".join(["\n".join(lines) + "\n", *(_lookup(table, lookup) for lookup in view.lookups)])


def _lookup(table: str, lookup: Lookup) -> str:
    lines = [
        f"[{table}.lookups.{_key(lookup.name)}]  # {lookup.found} of {lookup.asked} sampled values were found there",
        f"collection = {_text(lookup.collection)}",
        f"local = {_text(lookup.local)}",
        f"foreign = {_text(lookup.foreign)}",
    ]
    if lookup.fields:
        lines.append(f"fields = {_texts(lookup.fields)}")
    return "\n".join([*lines, ""])


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _texts(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
