"""A filter: what was typed, understood and ready to be asked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from connectors.records import Record
from dashboard.filters.conditions import Condition
from dashboard.filters.errors import FilterError
from dashboard.filters.matching import test_for
from dashboard.filters.parser import LONGEST, condition_of
from dashboard.filters.subject import Subject
from dashboard.filters.writing import text_of


@dataclass(frozen=True, slots=True)
class Filter:
    """Lets through the records that meet the condition, without one all. Equal filters are those of equal conditions.

    `str` of it is the one text for it, which parses to an equal filter. Asking it never raises; a row that cannot be
    read has no fields.
    """

    condition: Condition | None = None
    _test: Callable[[Subject], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        test = _everything if self.condition is None else test_for(self.condition)
        object.__setattr__(self, "_test", test)

    def matches(self, record: Record) -> bool:
        """Whether the record is let through. Its row is decoded once at most, and only when that decides."""
        return self._test(Subject.of_record(record))

    def matches_fields(self, fields: Mapping[str, str]) -> bool:
        """The same of an entry of the stream as it is, so that what is not let through is never made a record."""
        return self._test(Subject.of_fields(fields))

    def __str__(self) -> str:
        return text_of(self.condition)

    def __bool__(self) -> bool:
        """Whether it may keep anything back."""
        return self.condition is not None


def parse(text: str) -> Filter:
    """The filter that a line spells; raises `FilterError`, which says where it does not and what was expected."""
    condition = condition_of(text)
    written = text_of(condition)
    if len(written) > LONGEST:  # what is written down must be read again
        raise FilterError(LONGEST, f"at most {LONGEST:,} characters once it is written out", f"{len(written):,}")
    return Filter(condition)


def _everything(_subject: Subject) -> bool:
    return True
