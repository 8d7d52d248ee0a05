"""CPU time and memory between two moments."""

from __future__ import annotations

import os
import time

from benchmarks.meter import Meter, Sample, Usage, usage


def test_what_was_used_between_samples_is_interpolated() -> None:
    samples = [
        Sample(0, {"job": 0}, {"job": 1_000_000}),
        Sample(10, {"job": 5}, {"job": 9_000_000}),
        Sample(20, {"job": 6}, {"job": 4_000_000}),
        Sample(30, {"job": 6}, {"job": 50_000_000}),
    ]
    assert usage(samples, 5, 15) == {"job": Usage(3.0, 9.0)}
    assert usage(samples, -5, 99) == {"job": Usage(6, 50.0)}


def test_this_process_uses_about_the_cpu_that_it_burns() -> None:
    with Meter({"me": [os.getpid()]}) as meter:
        start_s, before_s = time.time(), time.process_time()
        while time.process_time() - before_s < 0.5:
            pass
        end_s = time.time()
    used = meter.between(start_s, end_s)["me"]
    assert 0.3 < used.cpu_s < 1.5
    assert used.peak_mb > 10
