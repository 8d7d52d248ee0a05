"""The foreign-key join as an operator: changes in, records out.

Where one worker has all shards, a step does the whole join (`flows.whole`): nothing has to go from worker to worker.
Several workers share the shards, and messages travel between them from stage to stage (`flows.staged`). What is kept is
the same, so that a job may go on with another number of workers.
"""

from __future__ import annotations

from bytewax.dataflow import Stream

from connectors.dead_letters import Emitted, Output
from flows import staged, whole
from flows.gauges import JoinGauges
from flows.join.plan import Plan


def denormalize(
    step_id: str,
    changes: Stream[Emitted],
    plan: Plan,
    gauges: JoinGauges | None = None,
    *,
    recovers: bool = True,
    is_parallel: bool = False,
) -> Stream[Output]:
    """Join every change with the rows it refers to; out come the records of all views, and the dead letters: those that
    came in, and those of changes that could not be joined. `gauges` count its state. What is needed for a restart is
    only made when it `recovers`. It must know when it `is_parallel`, on more than one worker.
    """
    join = staged.join if is_parallel else whole.join
    return join(step_id, changes, plan, gauges or JoinGauges(), recovers=recovers)
