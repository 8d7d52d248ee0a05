"""The processes of the run before this one, in a cluster that begins anew."""

from __future__ import annotations

import time
from functools import partial
from typing import cast

from redis import Redis

from connectors.ending import Ending
from connectors.process_ids import is_gone, this_process
from connectors.redis_client import translated
from flows.peers import at_work

LONGEST_WAIT_S = 5.0
_POLL_S = 0.1


def await_former(client: Redis, key: str, ending: Ending) -> None:
    """Give them time to hear why the first of them has ended, and to end themselves, before its successor takes the
    writer's lock; then they would only hear that they have been replaced. `key` is that of `P:job`.
    """
    gone = partial(is_gone, here=this_process())
    deadline_s = time.monotonic() + LONGEST_WAIT_S
    while not ending.requested and time.monotonic() < deadline_s:
        with translated(f"reading {key}"):
            fields = cast("dict[str, str]", client.hgetall(key))
        if not at_work(fields, gone):
            return
        ending.wait(_POLL_S)
