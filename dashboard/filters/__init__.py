"""The filters of the page: a line of text that people type, and what it lets through. Pure.

    view:comments op:updated imdb.rating > 8 (genres = Drama or title ~ matrix) -cause:*

`parser` has the grammar, `literals` and `paths` what a comparison means, `docs/filters.md` tells it to people. What is
compared is the row after the change, and the row before it where there is none after, as of a delete. A field that is
missing equals null and nothing else, and is neither less nor greater; `!=` and `!~` hold exactly when `=` and `~` do
not, also where the field is missing. What an array holds is compared element by element: one must do, and for `!=` and
`!~` none may.

A viewer from whom fields are hidden must be given `matches` of the record without them: a filter could else be used to
find out what they hold.
"""

from __future__ import annotations

from dashboard.filters.clicks import Part, parts_of, turned, with_field, with_shown, without
from dashboard.filters.errors import FilterError
from dashboard.filters.filter import Filter, parse
from dashboard.filters.saved import SavedFilter
from dashboard.filters.urls import from_query, to_query

__all__ = [
    "Filter",
    "FilterError",
    "Part",
    "SavedFilter",
    "from_query",
    "parse",
    "parts_of",
    "to_query",
    "turned",
    "with_field",
    "with_shown",
    "without",
]
