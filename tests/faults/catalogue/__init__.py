"""The faults, by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.faults.catalogue import again, archive, flow, machine, mongo, redis, replay
from tests.faults.fault import Fault
from tests.faults.plan import Traits

_ALL: tuple[type[Fault], ...] = (
    *flow.FAULTS,
    *redis.FAULTS,
    *mongo.FAULTS,
    *again.FAULTS,
    *machine.FAULTS,
    *archive.FAULTS,
    *replay.FAULTS,
)

FAULTS: Mapping[str, type[Fault]] = {fault.name(): fault for fault in _ALL}
TRAITS: Mapping[str, Traits] = {name: Traits(fault.mongo, fault.alone, fault.early) for name, fault in FAULTS.items()}
