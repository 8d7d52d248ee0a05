"""The past, once more: what a chapter holds and then, as far as it does not reach, the database's own log, up to a
moment. An edge: it reads files and talks to MongoDB.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from connectors.archive.chapter import Chapter, Progress, read_chapter, read_progress
from connectors.archive.layout import IMAGE, WHOLE
from connectors.archive.moment import LAST, Moment
from connectors.archive.reading import Cursor, Piece, emitted, from_image, rows_left, rows_of_image
from connectors.archive.replay_state import (
    Floor,
    Handover,
    Place,
    ReplayState,
    cut_after,
    cut_before,
    former_of,
)
from connectors.archive.replay_tail import tailed
from connectors.archive.schema import change_of
from connectors.changes import Change, Shape
from connectors.dead_letters import Emitted
from connectors.errors import ConfigError
from connectors.mongo_events import place_position
from connectors.shaping import shapers

Row = tuple[str, dict[str, Any]]

_MOST_CHANGES = 1000
_MANY = 20_000
"""So many changes make it worth to look what the archive has got meanwhile, before the database's log is asked."""

_ALIVE_MS = 60_000
"""A job that has told of a partition within this time runs, and may take back what is not durable yet."""


class Asked(NamedTuple):
    """What is replayed: a chapter of the archive at `root`, up to the moment, of the collections in `shapes` in this
    order; and the database where it goes on. `partitions` is how many a job that goes on after it will have. With
    `ends_apart` it does not end at the position of a change, as far as the moment allows.
    """

    root: Path
    chapter: str
    moment: Moment
    shapes: Mapping[str, Shape]
    uri: str
    database: str
    partitions: int
    ends_apart: bool = False

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(self.shapes)

    def handed_over(self, cut: str, former: Sequence[str] = ()) -> Handover:
        return Handover(cut, self.partitions, self.order, tuple(former))


class Step(NamedTuple):
    """Changes to be emitted together, the state after them, about how many are `left` in the archive, and the end, if
    this is it.
    """

    changes: Sequence[Emitted]
    state: ReplayState
    left: int
    end: Handover | None = None


def replayed(asked: Asked, state: ReplayState, stopped: threading.Event) -> Generator[Step]:
    """Everything after `state` up to the moment; the last step has the end. Ends early once `stopped` is set.

    Within a partition of the archive in the order in which the live job emitted, over all of them in that of positions.
    Raises our errors.
    """
    for step in _archived(asked, state):
        yield step
        state = step.state
        if stopped.is_set() or step.end is not None:
            return
    for changes, reached, end in tailed(
        uri=asked.uri,
        database=asked.database,
        shapes=asked.shapes,
        moment=asked.moment,
        partitions=read_chapter(asked.root / asked.chapter).partitions,
        state=state,
        stopped=stopped,
        ends_apart=asked.ends_apart,
    ):
        yield Step(changes, reached, 0, None if end is None else asked.handed_over(end))


def _archived(asked: Asked, state: ReplayState) -> Iterator[Step]:
    """What the archive holds; without an end when it does not reach up to the moment."""
    if not state.of_partitions:
        for step in _image(asked, state):
            yield step
            state = step.state
    if state.ends:
        yield from _up_to_ends(asked, state)
        return
    while True:
        read_before = state.read
        reading = _Reading(asked, state)
        for step in reading.steps():
            yield step
            if step.end is not None:
                return
        state = reading.state
        if not reading.is_broken_off and state.read - read_before < _MANY:
            yield Step((), state, 0)
            return


def _image(asked: Asked, state: ReplayState) -> Iterator[Step]:
    chapter, place = _chapter(asked, state), state.of_image
    after = Cursor(place.seq, place.n) if place else Cursor(0, -1)
    left = rows_of_image(asked.root, chapter, order=asked.order) - (after.n + 1)
    left += rows_left(asked.root, chapter, {}, asked.moment.upper, order=asked.order)
    for piece in from_image(asked.root, chapter, order=asked.order, after=after):
        left -= len(piece.rows)
        state = state.at(Place(IMAGE, *piece.cursor), read=len(piece.rows))
        yield Step(_changes(asked, piece.rows), state, max(0, left))


def _up_to_ends(asked: Asked, state: ReplayState) -> Iterator[Step]:
    """What comes after the state up to the commits that a snapshot of the job knows of, which stay as they are; nothing
    else, and nothing from the database's own log.
    """
    ends = {end.partition: end for end in state.ends}
    chapter = _chapter(asked, state)
    _check_ends(asked, chapter, ends)
    cursors = {place.partition: Cursor(place.seq, place.n) for place in state.of_partitions}
    left = rows_left(asked.root, chapter, cursors, asked.moment.upper, order=asked.order)
    for piece in emitted(asked.root, chapter, cursors, upper=asked.moment.upper, order=asked.order):
        left -= len(piece.rows)
        end = ends[piece.partition]
        rows = [row for row in piece.rows if row[1]["seq"] <= end.seq]
        if any(row["position"] > end.state.position for _, row in rows):
            raise _begun_anew(asked)
        for some, place in _in_steps(piece.partition, rows):
            state = state.at(place, read=len(some))
            yield Step(_changes(asked, some), state, max(0, left))
    _check_ends(asked, chapter, ends)
    former = former_of(state.ends)
    yield Step((), state, 0, asked.handed_over(min(map(place_position, former)), former))


def _check_ends(asked: Asked, chapter: Chapter, ends: Mapping[int, Floor]) -> None:
    """The commits up to the ends are there."""
    told = _progress(asked, chapter)
    if any(told[number].seq < end.seq for number, end in ends.items()):
        raise _begun_anew(asked)


def _begun_anew(asked: Asked) -> ConfigError:
    return ConfigError(
        f"archive chapter {asked.root / asked.chapter}: the job has begun anew, from an older recovery folder, after "
        "the snapshot with which the replay ends; stop the job, save another snapshot, and begin the replay anew with "
        "that and --replace"
    )


class _Reading:
    """One reading of the archive, as far as it is durable now.

    A job that ran when it began may take back what is not durable, so nothing after that is read. Of one that had
    ended, everything is; when it is started meanwhile, the reading is broken off before anything of that is believed.
    """

    def __init__(self, asked: Asked, state: ReplayState) -> None:
        self._asked = asked
        self._chapter = _chapter(asked, state)
        self._progress = _progress(asked, self._chapter)
        now_ms = time.time_ns() // 1_000_000
        self._running = {number for number, told in self._progress.items() if now_ms - told.at_ms < _ALIVE_MS}
        self._sought: dict[int, Place] = {}
        self.state = state
        self.is_broken_off = False

    def steps(self) -> Iterator[Step]:
        """`state` is what is reached after the last; unless it was broken off, all up to there was emitted."""
        asked, chapter = self._asked, self._chapter
        complete = self._complete()
        upper = min(asked.moment.upper, complete.removesuffix(LAST) + LAST)
        cursors = self._cursors()
        left = rows_left(asked.root, chapter, cursors, upper, order=asked.order)
        later = None
        for piece in emitted(asked.root, chapter, cursors, upper=upper, order=asked.order):
            if self._breaks_off(piece):
                return
            left -= len(piece.rows)
            upto = self._upto(piece)
            yield from self._of(piece.partition, self._new(piece.partition, piece.rows[:upto]), left)
            if upto < len(piece.rows):
                later = str(piece.rows[upto][1]["position"])
                break
        if self._breaks_off():
            return
        if later is not None:
            yield self._ended(cut_before(later))
            return
        if any(place.position <= upper for place in self._sought.values()):
            raise ConfigError(
                f"archive chapter {asked.root / chapter.name}: the job has begun anew, from an older recovery folder, "
                "while it was replayed; begin the replay anew with --replace"
            )
        if upper == asked.moment.upper:
            yield self._ended(cut_after(upper))
        else:
            self.state = self._all_up_to(complete)

    def _complete(self) -> str:
        """The position up to which the archive has everything, and will keep it as it is.

        Rows of the first reading are nowhere else than here. They come again in the same order.
        """
        asked, chapter = self._asked, self._chapter
        # What a quiet server says of its time is before what may happen at that time.
        complete = cut_before(min(told.position for told in self._progress.values()))
        after = {number: Cursor(self._believed(number), WHOLE) for number in self._progress}
        for piece in emitted(asked.root, chapter, after, upper=complete + LAST, order=asked.order):
            tail = (row["position"] for _, row in piece.rows if row["position"] > chapter.begin)
            if (first := next(tail, None)) is not None:
                complete = cut_before(first)
                break
        return max(complete, chapter.begin)

    def _breaks_off(self, piece: Piece | None = None) -> bool:
        """Whether the job was started since and may have taken back what we read: what is not durable of a piece or,
        at the end, what we missed. It says so before it does it.
        """
        if piece is None:
            numbers = list(self._progress)
        else:
            durable = self._durable(piece.partition)
            numbers = [piece.partition] if any(row["seq"] > durable for _, row in piece.rows) else []
        self.is_broken_off = not all(map(self._stands, numbers))
        return self.is_broken_off

    def _stands(self, partition: int) -> bool:
        then, now = self._progress[partition], read_progress(self._asked.root / self._chapter.name, partition)
        if partition in self._running:
            return now is not None and now.image and now.seq >= then.seq
        return now == then

    def _cursors(self) -> dict[int, Cursor]:
        """Where the reading goes on. What may be taken back, or was, is read again up to where we were."""
        cursors: dict[int, Cursor] = {}
        for place in self.state.of_partitions:
            durable = self._durable(place.partition)
            if place.seq > durable:
                self._sought[place.partition] = place
                cursors[place.partition] = Cursor(durable, WHOLE)
            else:
                cursors[place.partition] = Cursor(place.seq, place.n)
        return cursors

    def _durable(self, partition: int) -> int:
        """The last commit that will surely stay as it is."""
        floor = next((floor.seq for floor in self.state.floors if floor.partition == partition), 0)
        return max(floor, self._progress[partition].durable)

    def _believed(self, partition: int) -> int:
        """The last commit that stays as it is unless a job that has ended is started."""
        return self._durable(partition) if partition in self._running else self._progress[partition].seq

    def _upto(self, piece: Piece) -> int:
        """How many of the rows are before the moment."""
        for index, (_, row) in enumerate(piece.rows):
            if not self._asked.moment.includes(row["position"], row["ts_ms"]):
                return index
        return len(piece.rows)

    def _new(self, partition: int, rows: Sequence[Row]) -> Sequence[Row]:
        """Those that were not emitted yet."""
        sought = self._sought.get(partition)
        if sought is not None:
            for index, (name, row) in enumerate(rows):
                if (row["position"], name, row["key"]) == sought[3:]:
                    del self._sought[partition]
                    rows = rows[index + 1 :]
                    break
            else:
                return ()
        known = self.state.position
        return [row for row in rows if row[1]["position"] > known] if known else rows

    def _of(self, partition: int, rows: Sequence[Row], left: int) -> Iterator[Step]:
        for some, place in _in_steps(partition, rows):
            self.state = self.state.at(place, read=len(some))
            yield Step(_changes(self._asked, some), self.state, max(0, left))

    def _ended(self, cut: str) -> Step:
        return Step((), self.state, 0, self._asked.handed_over(cut))

    def _all_up_to(self, position: str) -> ReplayState:
        return self.state._replace(position=max(self.state.position, self.state.last, position))


def _in_steps(partition: int, rows: Sequence[Row]) -> Iterator[tuple[Sequence[Row], Place]]:
    """So many at once, each time with the place of the last one."""
    for start in range(0, len(rows), _MOST_CHANGES):
        some = rows[start : start + _MOST_CHANGES]
        name, row = some[-1]
        yield some, Place(partition, row["seq"], row["n"], row["position"], name, row["key"])


def _changes(asked: Asked, rows: Sequence[Row]) -> list[Change]:
    prepared = shapers(asked.shapes)
    return [change_of(row, collection=name, shaper=prepared[name]) for name, row in rows]


def _chapter(asked: Asked, state: ReplayState) -> Chapter:
    """As it is now, but for where it began when the replay did: what is read is checked against that."""
    chapter = read_chapter(asked.root / asked.chapter)
    return chapter._replace(begin=state.begin) if state.begin and chapter.begin else chapter


def _progress(asked: Asked, chapter: Chapter) -> dict[int, Progress]:
    """How far each partition has come; raises `ConfigError` when the chapter's image is not whole."""
    found = {number: read_progress(asked.root / chapter.name, number) for number in range(chapter.partitions)}
    known = {number: progress for number, progress in found.items() if progress is not None and progress.image}
    if not chapter.begin or len(known) < chapter.partitions:
        raise ConfigError(
            f"archive chapter {asked.root / chapter.name}: its image is not whole yet: the job is still reading the "
            "collections, or was ended meanwhile; let it come to the end of its reading"
        )
    return known
