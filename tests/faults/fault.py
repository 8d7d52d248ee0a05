"""What a fault is: a small named class in the catalogue, struck once or several times in a round."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tests.faults.setup import MongoKind, Setup

if TYPE_CHECKING:
    from tests.faults.rig import Rig


class NotHereError(Exception):
    """The machine lacks what the fault needs; its text says what."""


class Fault(ABC):
    """Its docstring says, in its first line, what is done to whom.

    `prepare` may change what the round is made with; `strike` does the damage, at a random moment unless `early`, which
    is right after the job's start; `heal` mends what the strike left broken, before the outcome is compared. An `alone`
    fault is never in one round with others.
    """

    group: ClassVar[str] = "flow"
    mongo: ClassVar[MongoKind | None] = None
    alone: ClassVar[bool] = False
    early: ClassVar[bool] = False

    def prepare(self, setup: Setup) -> None:  # noqa: B027 most need nothing
        """Before anything is started."""

    @abstractmethod
    def strike(self, rig: Rig, rnd: random.Random) -> None:
        """Do the damage. Raises `NotHereError` when the machine cannot."""

    def heal(self, rig: Rig) -> None:  # noqa: B027 most heal within the strike
        """Undo what is left of it; called once, at the end, and also after a failure."""

    def after(self, rig: Rig, rnd: random.Random) -> Sequence[str]:
        """What is wrong with what came of it, when the job has ended and all else was compared."""
        return ()

    @classmethod
    def name(cls) -> str:
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")

    @classmethod
    def summary(cls) -> str:
        return (cls.__doc__ or "").strip().splitlines()[0]
