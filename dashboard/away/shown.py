"""What one browser was sent, and which of it was on the visible screen. Pure.

A browser tells which stretches of entries it has shown: drawn, or counted in a visible notice, while its page was
visible. It may say anything, so no more is believed than was sent to it; and saying it twice changes nothing.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import cast

from connectors.errors import BadRecord
from connectors.stretches import MOST_STRETCHES, START, EntryId, Stretch, Stretches, common, entry_id_of, id_text, union

_MOST_PAIRS = 2 * MOST_STRETCHES  # more than what lies between the stretches that are kept


class Sent:
    """What one viewer has been sent of each stream since their page began: all that came after its beginning."""

    def __init__(self, streams: Sequence[str]) -> None:
        self._streams = tuple(streams)
        self._sent: dict[str, Stretch] = {}

    def sent(self, positions: Mapping[str, EntryId]) -> None:
        """The page has what there is up to these: the first ones are its beginning, of what was before nothing is
        believed.
        """
        for stream, position in positions.items():
            stretch = self._sent.get(stream, Stretch(position, position))
            self._sent[stream] = Stretch(stretch.after, max(stretch.upto, position))

    def believed(self, claim: object) -> dict[str, Stretches]:
        """The part of a browser's claim that it was sent. Raises `BadRecord` for a claim of another form."""
        claimed = stretches_of(claim, self._streams)
        return {
            stream: found
            for stream, stretches in claimed.items()
            if stream in self._sent and (found := common(stretches, (self._sent[stream],)))
        }


def stretches_of(claim: object, streams: Sequence[str]) -> dict[str, Stretches]:
    """Stretches by stream, from `{"0": [["after", "upto"], …], …}` by the streams' numbers. Raises `BadRecord`."""
    if not isinstance(claim, dict):
        raise _not_stretches(claim)
    told = cast("dict[object, object]", claim)
    names: dict[object, str] = {str(number): stream for number, stream in enumerate(streams)}
    if not told.keys() <= names.keys():
        raise _not_stretches(told)
    return {names[number]: union(_span(pair) for pair in _pairs(pairs)) for number, pairs in told.items()}


def positions_of(told: object, streams: Sequence[str]) -> dict[str, EntryId]:
    """Ids by stream, from `{"0": "id", …}` by the streams' numbers. Raises `BadRecord`."""
    if not isinstance(told, dict):
        raise _not_stretches(told)
    found = stretches_of(
        {number: [["0-0", entry_id]] for number, entry_id in cast("dict[object, object]", told).items()}, streams
    )
    return {stream: own[0].upto if own else START for stream, own in found.items()}


def told_stretches(stretches: Mapping[str, Stretches], streams: Sequence[str]) -> dict[str, list[list[str]]]:
    """The form that `stretches_of` reads."""
    return {
        str(streams.index(stream)): [[id_text(stretch.after), id_text(stretch.upto)] for stretch in own]
        for stream, own in stretches.items()
    }


def _pairs(found: object) -> list[object]:
    if not isinstance(found, list):
        raise _not_stretches(found)
    pairs = cast("list[object]", found)
    if len(pairs) > _MOST_PAIRS:
        raise _not_stretches(pairs)
    return pairs


def _span(pair: object) -> Stretch:
    match pair:
        case [str() as after, str() as upto]:
            return Stretch(entry_id_of(after), entry_id_of(upto))
        case _:
            raise _not_stretches(pair)


def _not_stretches(found: object) -> BadRecord:
    return BadRecord(
        "stretches of entries: expected the streams' numbers, each with a list of at most "
        f"{_MOST_PAIRS} [after, upto], found {reprlib.repr(found)}"
    )
