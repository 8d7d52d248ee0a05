"""A dead letter in its stream. Pure."""

from __future__ import annotations

from typing import NamedTuple

from connectors.dead_letters import DeadLetter


class Letter(NamedTuple):
    """`id` is the entry's; `at_ms` is when it was written, Unix milliseconds."""

    id: str
    at_ms: int
    letter: DeadLetter
