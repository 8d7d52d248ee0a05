"""Which chapter of the archive a replay reads, and from where on. An edge: it reads the chapters' files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from connectors.archive.chapter import Chapter, complete_until, read_chapters
from connectors.archive.layout import WHOLE
from connectors.archive.moment import Moment
from connectors.archive.ranges import Recorded, lasting
from connectors.archive.replay_state import Floor, Place, ReplayState
from connectors.archive.source import Archived
from connectors.errors import ConfigError
from connectors.mongo_events import position_ms
from connectors.mongo_state import SourceState, partition_number
from connectors.rows import covers
from connectors.times import to_the_second
from connectors.views import Views
from flows.replaying.ends import Ends
from flows.replaying.request import written


class Chosen(NamedTuple):
    chapter: Chapter
    begin: ReplayState


def choose(
    root: Path,
    folder: Path,
    states: Mapping[str, object],
    moment: Moment,
    views: Views,
    *,
    database: str,
    ends: Ends | None = None,
) -> Chosen:
    """The chapter of the snapshot whose states these are, and the state to begin with. Without states the last chapter
    that has begun by the moment, but for those that an earlier one outlasted, and its beginning. With `ends`, none of
    which is after the moment, it is the chapter in which they are.

    Raises `ConfigError` when the archive cannot give that, with the range that is there.
    """
    chapters = _of_database(root, read_chapters(root), database)
    if ends is not None:
        chapters = [_chapter_of(root, chapters, ends)]
    chosen = _after_snapshot(root, chapters, folder, states, moment) if states else _from_image(root, chapters, moment)
    if ends is not None:
        _check_before(folder, chosen.begin, ends)
        chosen = chosen._replace(begin=chosen.begin._replace(ends=ends.floors))
    _check_views(root, chosen.chapter, views)
    return chosen


def _chapter_of(root: Path, chapters: Sequence[Chapter], ends: Ends) -> Chapter:
    found = next((chapter for chapter in chapters if chapter.name == ends.chapter), None)
    if found is None:
        raise ConfigError(
            f"archive folder {root}: {_gone(ends.chapter)}, to which the snapshot {ends.folder} belongs; "
            f"{ranges(root, chapters)}; use a later snapshot"
        )
    first = min(floor.state.position for floor in ends.floors)
    if not found.begin or first < found.begin[:16]:
        raise ConfigError(
            f"snapshot {ends.folder}: it is of {_at(first)}, and the archive does not reach back so far: "
            f"{ranges(root, [found])}; use a later snapshot"
        )
    return found


def _check_before(folder: Path, begin: ReplayState, ends: Ends) -> None:
    last = {floor.partition: floor for floor in ends.floors}
    for floor in begin.floors:
        end = last.get(floor.partition)
        if end is None or floor.seq > end.seq or floor.state.position > end.state.position:
            raise ConfigError(
                f"recovery folder {folder}: it is not of an earlier time than the snapshot {ends.folder}, with which "
                "the replay shall end; use an older one, or leave it out"
            )


def resumed(root: Path, state: ReplayState, views: Views, *, database: str) -> Chosen:
    """The chapter of a replay that goes on."""
    for chapter in _of_database(root, read_chapters(root), database):
        if chapter.name == state.chapter:
            _check_views(root, chapter, views)
            return Chosen(chapter, state)
    raise ConfigError(f"archive folder {root}: {_gone(state.chapter)}; begin the replay anew with --replace")


def ranges(root: Path, chapters: Sequence[Chapter]) -> str:
    """What an archive tells, for a message."""
    spans: list[str] = []
    for chapter in chapters:
        until = complete_until(root, chapter)
        if chapter.begin and until:
            spans.append(f"{_at(chapter.begin)} to {_at(until)}")
    return "it tells of " + " and of ".join(spans) if spans else "none of its chapters has a whole image yet"


def _of_database(root: Path, chapters: Sequence[Chapter], database: str) -> list[Chapter]:
    found = [chapter for chapter in chapters if chapter.database == database]
    if found:
        return found
    others = sorted({chapter.database for chapter in chapters})
    has = f"that of {', '.join(others)}" if others else "nothing"
    raise ConfigError(
        f"archive folder {root}: expected the archive of the database {database}, found {has}; correct MONGO_DB, or "
        "name another folder in DBWATCH_ARCHIVE"
    )


def _from_image(root: Path, chapters: Sequence[Chapter], moment: Moment) -> Chosen:
    begun = [chapter for chapter in chapters if chapter.begin and chapter.begin <= moment.upper]
    if not begun:
        raise ConfigError(
            f"archive folder {root}: {moment.text} is before the archive begins: {ranges(root, chapters)}"
        )
    until = {chapter.name: complete_until(root, chapter) for chapter in begun}
    whole = [Recorded(chapter, chapter.begin, end) for chapter in begun if (end := until[chapter.name]) is not None]
    going_on = [one.chapter for one in lasting(whole)] + [one for one in begun if until[one.name] is None]
    chapter = max(going_on, key=lambda chapter: chapter.begin)
    return Chosen(chapter, ReplayState(chapter.name, written(moment), begin=chapter.begin))


def _after_snapshot(
    root: Path, chapters: Sequence[Chapter], folder: Path, states: Mapping[str, object], moment: Moment
) -> Chosen:
    known = {name: state for name, state in states.items() if isinstance(state, Archived) and state.chapter}
    if len(known) < len(states):
        raise ConfigError(
            f"recovery folder {folder}: its job kept no archive then, so it cannot be told where to read on; leave the "
            "snapshot out, to begin with the archive's image"
        )
    names = {state.chapter for state in known.values()}
    if len(names) > 1:
        raise ConfigError(
            f"recovery folder {folder}: it is of a time at which the job began a chapter of its archive; use another "
            "snapshot, or leave it out"
        )
    (name,) = names
    chapter = next((chapter for chapter in chapters if chapter.name == name), None)
    if chapter is None:
        raise ConfigError(
            f"archive folder {root}: {_gone(name)}, to which the snapshot belongs; {ranges(root, chapters)}; use a "
            "later snapshot, or leave it out"
        )
    inner = [state.inner for state in known.values()]
    if not all(isinstance(state, SourceState) for state in inner):
        raise ConfigError(f"recovery folder {folder}: its state is not that of MongoDB's changes; use another snapshot")
    if not chapter.begin or min(state.position for state in inner) < chapter.begin[:16]:
        raise ConfigError(
            f"recovery folder {folder}: it is of {_at(min(state.position for state in inner))}, and the archive does "
            f"not reach back so far: {ranges(root, [chapter])}; use a later snapshot, or leave it out"
        )
    last = max(state.position for state in inner)
    if last > moment.upper:
        raise ConfigError(
            f"recovery folder {folder}: it is of {_at(last)}, after {moment.text}; use an older snapshot, or leave it "
            f"out: {ranges(root, [chapter])}"
        )
    return Chosen(chapter, _begin(chapter, known, moment))


def _begin(chapter: Chapter, known: Mapping[str, Archived], moment: Moment) -> ReplayState:
    numbered = sorted((partition_number(name), state) for name, state in known.items())
    return ReplayState(
        chapter.name,
        written(moment),
        floors=tuple(Floor(number, state.seq, state.inner) for number, state in numbered),
        places=tuple(Place(number, state.seq, WHOLE) for number, state in numbered),
    )


def _check_views(root: Path, chapter: Chapter, views: Views) -> None:
    """What the views need must be in the chapter: its collections, and nothing that was masked."""
    where = f"archive chapter {root / chapter.name}"
    held = {view["collection"] for view in chapter.views}
    held |= {lookup["collection"] for view in chapter.views for lookup in view.get("lookups", ())}
    if missing := sorted(set(views.collections) - held):
        raise ConfigError(
            f"{where}: the views need the collection {missing[0]}, and the archive has only {', '.join(sorted(held))}: "
            "the job that wrote it did not watch it; let a job run with a view of it first"
        )
    for name, mask in views.masks.items():
        for path in chapter.masks.get(name, ()):
            if not covers(mask, path):
                raise ConfigError(
                    f"{where}: {path} of {name} was masked when it was written and is not in it; mask it in the "
                    "configuration of the replay, too"
                )


def _gone(name: str) -> str:
    return f"the chapter {name} is not there (any more)"


def _at(position: str) -> str:
    return to_the_second(position_ms(position))
