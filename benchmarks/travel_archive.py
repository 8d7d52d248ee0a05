"""The archive of a made-up day, written as fast as Arrow can: what a search for a row's past is measured on.

A million comments, of which a hundred are hot: each tenth change is one of theirs. A commit every ten seconds. Rows are
of 300 to 400 bytes and as hard to compress as sentences of common words; changes have no `before`, as without
pre-images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from connectors.archive.chapter import Chapter, Progress, write_chapter, write_progress
from connectors.archive.layout import (
    IMAGE_HOUR,
    FileName,
    chapter_name,
    collection_folder,
    hour_folder,
    hour_of,
    image_number,
)
from connectors.archive.schema import ROW_GROUP, schema_with, writer_options

COLLECTION = "comments"
PATH = "movie_id"
BEGIN_S = 1_790_000_000 // 3600 * 3600
HOUR_S, EPOCH_S, HOURS = 3600, 10, 24
MOVIES = 17_472
HOT = 100
_HOT_SHARE = 0.1
_SENTENCES = 20_000
_WORDS = (
    "a film that I would watch again with friends because its story is told well and the music stays with you long "
    "after the end while some scenes could have been shorter for my taste others were simply beautiful not every "
    "actor was at their best but who cares when light colour and silence say more than any dialogue ever could"
)
_NAMES = ("Ada", "Ned", "Robb", "Sansa")

_of: Any = pyarrow.compute
_arrow: Any = pa  # its stubs do not know what it makes of NumPy's arrays
SCHEMA = schema_with([PATH])


class Day(NamedTuple):
    """How much of it: changes, and rows that there are."""

    changes: int
    keys: int

    @property
    def chapter(self) -> Chapter:
        begin = position(BEGIN_S)
        name = chapter_name("travel", 1, 1)
        return Chapter(name, "travel", 1, 1, "sample_mflix", 1, begin, BEGIN_S * 1000, "benchmark", [], {})

    @property
    def end_s(self) -> int:
        return BEGIN_S + HOURS * HOUR_S


def position(seconds: int, increment: int = 0) -> str:
    return f"{seconds:08x}{increment:08x}"


def key_of(number: int) -> str:
    """The key of a row: as an ObjectId, in no order that says when it was made."""
    return f"{number * 0x9E3779B97F4A7C15F39CC06 % (1 << 96):024x}"


def movie_of(number: int) -> str:
    return f"{0x573A1390F29313CAABCD4000 + number:024x}"


def make_chapter(root: Path, day: Day) -> None:
    """The chapter, and its image: every row as it was at the beginning."""
    chapter = day.chapter
    write_chapter(root, chapter)
    random = np.random.default_rng(7)
    texts = _Texts(random, day.keys)
    order = sorted(range(day.keys), key=key_of)
    number = image_number(chapter.begin)
    step = 150_000
    for share, offset in enumerate(range(0, day.keys, step)):
        rows = np.array(order[offset : offset + step])
        table = texts.table(rows, random, op="r", seconds=np.full(len(rows), BEGIN_S), seq=0)
        table = table.set_column(2, "position", pa.repeat(pa.scalar(chapter.begin), len(rows)))
        _write(root / chapter.name, table, IMAGE_HOUR, FileName("image", share, number, number))
    write_progress(root / chapter.name, Progress(0, 0, 0, position(day.end_s), image=True, at_ms=day.end_s * 1000))


def make_hour(root: Path, day: Day, hour: int) -> int:
    """The parts of one hour of changes; how many bytes they take."""
    random = np.random.default_rng(1000 + hour)
    texts = _Texts(random, day.keys)
    changes = day.changes // HOURS
    epochs = HOUR_S // EPOCH_S
    size = 0
    for epoch in range(epochs):
        count = (epoch + 1) * changes // epochs - epoch * changes // epochs
        is_hot = random.random(count) < _HOT_SHARE
        rows = np.where(is_hot, random.integers(0, min(HOT, day.keys), count), random.integers(0, day.keys, count))
        begin_s = BEGIN_S + hour * HOUR_S + epoch * EPOCH_S
        seconds = begin_s + np.arange(count) * EPOCH_S // max(1, count)
        seq = hour * epochs + epoch + 1
        table = texts.table(rows, random, op="u", seconds=seconds, seq=seq)
        size += _write(root / day.chapter.name, table, hour_of(position(begin_s)), FileName("part", 0, seq, seq))
    return size


def make_progress(root: Path, day: Day) -> None:
    """All that was made is durable."""
    seq = HOURS * HOUR_S // EPOCH_S
    write_progress(root / day.chapter.name, Progress(0, seq, seq, position(day.end_s), True, day.end_s * 1000))


class _Texts:
    """What rows are made of, as columns to take from."""

    def __init__(self, random: np.random.Generator, keys: int) -> None:
        self._keys = pa.array([key_of(number) for number in range(keys)])
        self._movies = pa.array([movie_of(number) for number in range(MOVIES)])
        words = np.array(_WORDS.split())
        lengths = random.integers(24, 40, _SENTENCES)
        self._sentences = pa.array([" ".join(random.choice(words, length)) for length in lengths])
        self._names = pa.array([f"{name} {number}" for number in range(2000) for name in _NAMES])

    def table(self, rows: Any, random: np.random.Generator, *, op: str, seconds: Any, seq: int) -> pa.Table:
        count = len(rows)
        numbers = _arrow.array(np.arange(count), pa.int32())
        keys = self._keys.take(_arrow.array(rows))
        # A comment hardly ever changes its film: a number that follows from its own, but for one in a hundred.
        films = np.where(random.random(count) < 0.01, random.integers(0, MOVIES, count), rows % MOVIES)
        movies = self._movies.take(_arrow.array(films))
        names = self._names.take(_arrow.array(rows % len(self._names)))
        sentences = self._sentences.take(_arrow.array(random.integers(0, _SENTENCES, count)))
        after = _of.binary_join_element_wise(
            '{"_id":"', keys, '","name":"', names, '","email":"', _of.replace_substring(names, " ", "."),
            '@example.com","movie_id":"', movies, '","text":"', sentences, '","date":"2026-09-21T14:13:20Z","likes":',
            _of.cast(_arrow.array(random.integers(0, 10_000, count)), pa.string()), "}", "",
        )  # fmt: skip
        distinct, places = np.unique(seconds, return_inverse=True)
        prefixes = _arrow.array([f"{second:08x}" for second in distinct]).take(_arrow.array(places))
        increments = pa.array([f"{number + 1:08x}" for number in range(count)])
        times = _arrow.array(np.asarray(seconds) * 1000 + random.integers(0, 1000, count), pa.int64())
        columns: list[Any] = [
            keys,
            pa.repeat(pa.scalar(op), count),
            _of.binary_join_element_wise(prefixes, increments, ""),
            times,
            pa.nulls(count, pa.string()),
            after,
            _arrow.array([["text", "likes"] if op == "u" else None] * count, pa.list_(pa.string())),
            pa.repeat(pa.scalar('{"_id":"o","movie_id":"o","date":"d"}'), count),
            pa.repeat(pa.scalar(seq, pa.int64()), count),
            numbers,
            movies,
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)


def _write(chapter: Path, table: pa.Table, hour: str, name: FileName) -> int:
    folder = chapter / collection_folder(COLLECTION) / hour_folder(hour)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / str(name)
    with pq.ParquetWriter(path, table.schema, **writer_options(table.schema)) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP)
    return path.stat().st_size
