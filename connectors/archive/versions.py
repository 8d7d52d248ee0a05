"""The past of single rows: by key, or by a value that they were joined by. An edge: it reads files.

A key is looked for in the row groups whose statistics include it, in the column of keys first; of a segment, which is
sorted by key, that is one row group or two. A value is looked for in the column `ref.PATH` of every file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, takewhile
from pathlib import Path
from typing import NamedTuple, TypeVar

from connectors.archive import tables
from connectors.archive.chapter import Chapter, complete_until, read_chapters
from connectors.archive.clocks import set_back_in, union
from connectors.archive.layout import hour_of
from connectors.archive.listing import Contents, StoredFile, contents, groups_with, opened
from connectors.archive.moment import Moment
from connectors.archive.referring import keys_in
from connectors.archive.tables import Row, rows_of

_NARROW = ["position", "ts_ms", "seq", "n"]
_THREADS = 2
_T = TypeVar("_T")


class Span(NamedTuple):
    """A chapter, and from which position to which one it tells everything; `until` None: its image is not whole."""

    chapter: Chapter
    begin: str
    until: str | None


class _Place(NamedTuple):
    """Where one version of a key is; they sort by the order of its versions."""

    position: str
    seq: int
    n: int
    ts_ms: int
    number: int
    group: int
    row: int


class Versions:
    """Every row's versions that an archive holds.

    Files may be compacted, and folded into an image, while this reads. Every call raises `ConfigError` when a file that
    it needs is damaged or the chapter is not there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def spans(self) -> list[Span]:
        """All chapters, by when they were made."""
        return [
            Span(chapter, chapter.begin, complete_until(self._root, chapter)) for chapter in read_chapters(self._root)
        ]

    def versions(self, chapter: Chapter, collection: str, key: str, *, upper: str) -> list[Row]:
        """All versions of a row with positions up to `upper`, in the order of positions; the image's comes first."""

        def found(held: Contents) -> list[Row]:
            rows: list[Row] = []
            for files in _by_hour(held, collection, upper=upper):
                rows.extend(_read(files, _places(files, key, begin=held.chapter.begin, upper=upper)))
            return rows

        return self._settled(chapter, found)

    def last(self, chapter: Chapter, collection: str, key: str, moment: Moment) -> Row | None:
        """The last version of a row at a moment; None when it had none since the chapter's beginning."""

        def found(held: Contents) -> list[Row]:
            for files in reversed(_by_hour(held, collection, upper=moment.upper)):
                places = _places(files, key, begin=held.chapter.begin, upper=moment.upper)
                if not files[0].is_image:  # a row of the image counts whatever the clock said
                    places = _included(places, moment)
                if places:
                    return _read(files, places[-1:])
            return []

        rows = self._settled(chapter, found)
        return rows[0] if rows else None

    def keys_with(self, chapter: Chapter, collection: str, path: str, ref: str, *, upper: str) -> set[str]:
        """The keys of rows that at any time up to `upper` had a value at a path, given as `rows.ref_text` writes it."""

        def found(held: Contents) -> set[str]:
            files = [file for files in _by_hour(held, collection, upper=upper) for file in files]
            with ThreadPoolExecutor(_THREADS) as threads:
                asked = [
                    threads.submit(keys_in, file, path, ref, begin=held.chapter.begin, upper=upper) for file in files
                ]
                try:
                    return {key for future in asked for key in future.result()}
                finally:
                    for future in asked:
                        future.cancel()

        return self._settled(chapter, found)

    def set_back(self, chapter: Chapter) -> list[tuple[int, int]]:
        """The times (Unix ms, from and to) that occurred twice, because the server's clock was set back."""
        return self._settled(chapter, lambda held: union(times for file in held.files for times in set_back_in(file)))

    def _settled(self, chapter: Chapter, found: Callable[[Contents], _T]) -> _T:
        """What is found when no file goes meanwhile."""
        while True:
            try:
                return found(contents(self._root, chapter.name))
            except FileNotFoundError:
                continue


def _by_hour(held: Contents, collection: str, *, upper: str) -> list[list[StoredFile]]:
    """The files of a collection that may hold something up to `upper`: the image's, then hour by hour. Raises
    `ConfigError` when one of them is missing.
    """
    held.require(upper=upper, collections=(collection,))
    held.require_image((collection,))
    last_hour = hour_of(upper)
    files = [file for file in held.files if file.collection == collection and (file.is_image or file.hour <= last_hour)]
    return [list(group) for _, group in groupby(files, lambda file: file.hour)]


def _included(places: Sequence[_Place], moment: Moment) -> list[_Place]:
    return list(takewhile(lambda place: moment.includes(place.position, place.ts_ms), places))


def _places(files: Sequence[StoredFile], key: str, *, begin: str, upper: str) -> list[_Place]:
    """Where the versions of a key are in these files, in their order."""
    found: list[_Place] = []
    for number, file in enumerate(files):
        with opened(file) as parquet:
            for group in groups_with(parquet, "key", key):
                at = tables.places(parquet.read_row_group(group, columns=["key"], use_threads=False).column(0), key)
                if not at:
                    continue
                narrow = parquet.read_row_group(group, columns=_NARROW, use_threads=False).take(at)
                found.extend(
                    _Place(row["position"], row["seq"], row["n"], row["ts_ms"], number, group, place)
                    for place, row in zip(at, rows_of(narrow), strict=True)
                    if file.is_image or begin <= row["position"] <= upper
                )
    return sorted(found)


def _read(files: Sequence[StoredFile], places: Sequence[_Place]) -> list[Row]:
    """The rows in these places, in the order of the places."""
    rows: dict[_Place, Row] = {}
    for number, of_file in groupby(sorted(places, key=_by_place), lambda place: place.number):
        with opened(files[number]) as parquet:
            for group, of_group in groupby(of_file, lambda place: place.group):
                wanted = list(of_group)
                table = parquet.read_row_group(group, use_threads=False).take([place.row for place in wanted])
                rows.update(zip(wanted, rows_of(table), strict=True))
    return [rows[place] for place in places]


def _by_place(place: _Place) -> tuple[int, int, int]:
    return place.number, place.group, place.row
