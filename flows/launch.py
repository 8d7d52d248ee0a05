"""How this process was started: the engine's own options, whether given to `bytewax.run` or to `dbwatch run`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import bytewax.run


@dataclass(frozen=True, slots=True)
class Launch:
    """`recovery` None: no recovery. `addresses` empty: one process."""

    recovery: Path | None = None
    workers: int = 1
    process: int = 0
    addresses: tuple[str, ...] = ()

    @property
    def is_cluster(self) -> bool:
        return len(self.addresses) > 1

    @property
    def leads(self) -> bool:
        """Whether this process decides what all processes of the job need to agree on."""
        return not self.is_cluster or self.process == 0

    @property
    def is_parallel(self) -> bool:
        """Whether steps run on several workers, between which order is not kept."""
        return self.workers > 1 or self.is_cluster

    @classmethod
    def of_engine(cls) -> Launch:
        """The options of `python -m bytewax.run`, read by its own parser (0.21.1 offers no public way)."""
        if not is_engine():
            return cls()
        given = bytewax.run._parse_args()  # pyright: ignore[reportPrivateUsage, reportUnknownVariableType]
        return cls(
            recovery=given.recovery_directory,
            workers=given.workers_per_process or 1,
            process=given.process_id or 0,
            addresses=tuple(a for a in (given.addresses or "").split(";") if a),
        )


def is_engine() -> bool:
    """Whether the program is `python -m bytewax.run`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec is not None and spec.name == "bytewax.run"
