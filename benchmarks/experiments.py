"""The experiments, by name, in the order of a run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from benchmarks.bench import Experiment

MODULES: Mapping[str, str] = {
    "backlog": "benchmarks.backlog",
    "archive": "benchmarks.archive",
    "latency": "benchmarks.latency",
    "growth": "benchmarks.growth",
    "scale": "benchmarks.scale",
}


def experiment(name: str) -> Experiment:
    return cast("Experiment", import_module(MODULES[name]))
