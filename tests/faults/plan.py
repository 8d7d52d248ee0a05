"""What a round does, from its seed alone: which faults, at which moments, on what. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.faults.setup import ARCHIVE_LIMITS, Setup, Shape

MOST_FAULTS = 3
_SEED_BITS = 32
_EARLY_SHARE = 0.15
_ARCHIVE_SHARE = 0.75


class Traits(NamedTuple):
    """What planning must know of a fault."""

    mongo: str | None = None
    alone: bool = False
    early: bool = False


class Strike(NamedTuple):
    """A fault, and after which part of the workload it comes; 0 is right after the job's start."""

    fault: str
    at: float


class Plan(NamedTuple):
    """One round. `only` is what was asked for; the same seed and `only` give the same plan and workload."""

    seed: int
    only: tuple[str, ...]
    strikes: tuple[Strike, ...]
    setup: Setup

    @property
    def faults(self) -> list[str]:
        return list(dict.fromkeys(strike.fault for strike in self.strikes))


def plan_round(seed: int, traits: Mapping[str, Traits], only: Sequence[str] = ()) -> Plan:
    """The round of a seed: with the faults of `only`, or with one to three that go together."""
    rnd = random.Random(seed)
    faults = list(only) or _chosen(rnd, traits)
    mongo = next((m for name in faults if (m := traits[name].mongo)), "one")
    partitions = rnd.choice((1, 1, 2))
    setup = Setup(
        mongo="three" if mongo == "three" else "own" if mongo == "own" else "one",
        redis_kind=rnd.choice(("valkey", "redis")),
        images=rnd.random() < 0.8,
        partitions=partitions,
        shards=rnd.choice((1, 1, 2)),
        shape=Shape(rnd.choice((1, 1, 2)), 1),
        fill=rnd.choice((20, 60, 200)),
        changes=rnd.randint(400, 900),
        fleeting=rnd.random() < 0.3,
    )
    strikes = [Strike(name, _moment(rnd, traits[name])) for name in faults for _ in range(rnd.choice((1, 1, 2)))]
    if any(traits[name].alone for name in faults):
        strikes = strikes[:1]
    setup.archive = rnd.random() < _ARCHIVE_SHARE
    setup.archive_limits = rnd.choice(("", "", ARCHIVE_LIMITS))
    return Plan(seed, tuple(only), tuple(sorted(strikes, key=lambda strike: strike.at)), setup)


def seeds(first: int) -> random.Random:
    """Where a run's further seeds come from."""
    return random.Random(first)


def next_seed(rnd: random.Random) -> int:
    return rnd.getrandbits(_SEED_BITS)


def _chosen(rnd: random.Random, traits: Mapping[str, Traits]) -> list[str]:
    name = rnd.choice(list(traits))
    if traits[name].alone:
        return [name]
    mongo = traits[name].mongo
    others = [n for n, t in traits.items() if n != name and not t.alone and t.mongo in (None, mongo or "one")]
    return [name, *rnd.sample(others, rnd.randint(0, min(MOST_FAULTS - 1, len(others))))]


def _moment(rnd: random.Random, traits: Traits) -> float:
    return 0.0 if traits.early or rnd.random() < _EARLY_SHARE else round(rnd.uniform(0.2, 0.95), 2)
