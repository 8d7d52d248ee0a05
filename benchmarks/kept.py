"""What was found, in a folder: `performance.json`, and made of it `performance.md` and `img/*.svg`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.experiments import MODULES, experiment
from benchmarks.report import page
from connectors.errors import ConfigError

_FILE = "performance.json"


def add(folder: Path, name: str, result: Mapping[str, Any], *, machine: Mapping[str, str]) -> None:
    """Keep an experiment's result beside those of the others, which stay; in the order of a run. A file that cannot be
    read gives way: what was measured just now must not be lost for it.
    """
    experiments: dict[str, Any] = {}
    with suppress(ConfigError):
        experiments = _read(folder / _FILE)["experiments"]
    experiments[name] = result
    ordered = {each: experiments[each] for each in MODULES if each in experiments}
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine, "experiments": ordered}, indent=1)
    (folder / _FILE).write_text(f"{text}\n", encoding="utf-8")


def write(folder: Path) -> Path:
    """Make the page and its plots of what is kept; where the page is. Raises `ConfigError` when there is nothing."""
    found = _read(folder / _FILE)
    for name, result in found["experiments"].items():
        drawn = getattr(experiment(name), "plots", None)
        if drawn is not None:
            plots.save(drawn(result), folder / "img")
    target = folder / "performance.md"
    text = page(found, lambda name, result: experiment(name).section(result))
    target.write_text(text, encoding="utf-8")
    return target


def _read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return {"machine": found["machine"], "experiments": found["experiments"]}
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise ConfigError(f"{file}: expected what `python -m benchmarks` has found, cannot read it: {exc!r}") from exc
