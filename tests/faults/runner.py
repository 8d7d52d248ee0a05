"""A run of the suite: every fault once, then random rounds until the time is up; what it says meanwhile."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.faults.catalogue import FAULTS, TRAITS
from tests.faults.plan import Plan, next_seed, plan_round, seeds
from tests.faults.report import Run, command
from tests.faults.rounds import Result, run_round
from tests.faults.servers import Servers


class Ask(NamedTuple):
    """What to run. `rounds` or `minutes` end it; `only` limits it to these faults, one a round; `random` leaves out the
    pass of every fault.
    """

    seed: int
    minutes: float | None = None
    rounds: int | None = None
    only: tuple[str, ...] = ()
    random: bool = False


def plans(ask: Ask) -> Iterator[Plan]:
    """The rounds of a run, for ever; the seed of the first is that of the run."""
    rnd = seeds(ask.seed)
    seed = ask.seed
    passes = [() if name is None else (name,) for name in _order(ask)]
    for only in itertools.chain(passes, itertools.repeat(()) if not ask.only else itertools.cycle(passes)):
        yield plan_round(seed, TRAITS, only)
        seed = next_seed(rnd)


def run(ask: Ask, folder: Path, say: Callable[[str], None]) -> Run:
    """Play the rounds; the folder of a round with violations is kept. `KeyboardInterrupt` stops all servers."""
    began_s = time.monotonic()
    results: list[Result] = []
    least = len(_order(ask)) if ask.rounds is None else ask.rounds
    try:
        with Servers(folder / "servers") as servers:
            for number, plan in enumerate(plans(ask), 1):
                if number > least and (ask.rounds is not None or time.monotonic() - began_s > (ask.minutes or 0) * 60):
                    break
                say(f"round {number}: seed {plan.seed}: {', '.join(f'{s.fault} at {s.at:g}' for s in plan.strikes)}")
                result = run_round(plan, servers, FAULTS, folder / f"round-{number}")
                results.append(result)
                tell(result, folder / f"round-{number}", say)
    finally:
        shutil.rmtree(folder / "servers", ignore_errors=True)
    summaries = {name: fault.summary() for name, fault in FAULTS.items()}
    return Run(ask.seed, results, time.monotonic() - began_s, summaries)


def tell(result: Result, folder: Path, say: Callable[[str], None]) -> None:
    """One line on a round that went well; all that helps on one that did not."""
    counted = result.counted
    if not result.violations:
        shutil.rmtree(folder, ignore_errors=True)
        say(f"  {counted['changes']} changes, {counted['records']} records as they must be, {result.took_s:.1f} s")
        return
    say(f"  {len(result.violations)} VIOLATIONS, {result.took_s:.1f} s; all of them and the logs are in {folder}")
    for violation in result.violations[:10]:
        say(f"    {violation[:1000]}")
    say(f"  repeat it with: {command(result)}")


def _order(ask: Ask) -> Sequence[str | None]:
    if ask.only:
        return list(ask.only)
    return [] if ask.random else list(FAULTS)
