"""What the scale experiment came to: its part of the page and its plot. Pure but for the plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.results import Run, Spread, ratios
from benchmarks.scale_model import Costs, costs, forecast

PROCESSES = (1, 2, 4)
_MODELLED = (1, 2, 4, 8)
_MORE_CORES = (4, 8, 16)


def job_name(processes: int) -> str:
    return "one process" if processes == 1 else f"{processes} processes"


def streams_name(partitions: int) -> str:
    return f"{partitions} change stream{'s' * (partitions > 1)}"


def figures(result: Mapping[str, Any]) -> dict[str, float]:
    """How much faster several processes are than one."""
    runs = runs_of(result)
    one = [run.rate_per_s for run in runs[job_name(1)]]
    return {
        f"processes_{n}_against_1": ratios([run.rate_per_s for run in runs[job_name(n)]], one).median
        for n in PROCESSES
        if n > 1
    }


def runs_of(result: Mapping[str, Any]) -> dict[str, list[Run]]:
    return {name: [Run.from_json(run) for run in of_one] for name, of_one in result["subjects"].items()}


def costs_of(result: Mapping[str, Any]) -> Costs:
    runs = runs_of(result)
    return costs(
        job={n: _cpu(runs[job_name(n)], "job") for n in PROCESSES},
        streams={n: _cpu(runs[streams_name(n)], "mongod") for n in PROCESSES},
        valkey={n: _cpu(runs[job_name(n)], "valkey") for n in PROCESSES},
        cores=result["cores"],
    )


def section(result: Mapping[str, Any]) -> str:
    sizes, cores, model = result["sizes"], result["cores"], costs_of(result)
    return f"""\
## Scale: several processes

The same mix as the backlog's, smaller ({sizes["comments"]:,} comments), with the full join and recovery, by 1, 2 and 4
processes of the engine's own cluster (`-i`, `-a`), with as many change streams (`DBWATCH_MONGO_PARTITIONS`) and output
streams (`DBWATCH_STREAM_SHARDS`). On {cores} cores, which the servers need too, this is the curve that they allow:

![Changes per second of 1, 2 and 4 processes, measured, and of more on more cores, modelled](img/scale.svg)

{_measured(result, model)}
### What a partition costs MongoDB

Each change stream reads the whole oplog and passes on the rows of its share, so every further one makes the server
read it once more. Here the streams of the job were read alone, one after the other, and nothing was done with what
came. (While the job works, some of that is done before its measured part begins, as it reads ahead.)

{_streams(result)}
### More cores, modelled

From the CPU seconds that each kind of process takes for a million changes:

{_formulas(model)}
A process of the job has one busy thread, so it gets one core at most; `(n - 1) / n` is the share of a row's visits to
its lookups that another process has to make. What that costs is taken from as many processes as there are cores:
more of them wait for each other here, and work in smaller batches than on cores of their own. A change stream is one
thread of MongoDB and reads everything; Valkey executes in one thread. So with `n` processes on `c` cores, in changes
per second, the smallest of

- `n * 1e6 / job(n)`: the job's processes,
- `n * 1e6 / streams(n)`: one change stream, which must keep up with the whole oplog,
- `1e6 / valkey`: Valkey's thread,
- `c * 1e6 / (job(n) + streams(n) + valkey)`: all cores together.

It leaves out the network, rows that are not spread evenly, and waiting for each other; the last column of the first
table says what that amounts to here. What is at its limit first is in brackets:

{_forecasts(model, cores)}
"""


def plots(result: Mapping[str, Any]) -> dict[str, Any]:
    from benchmarks.plots import OURS, SERIES, axes

    figure, plot = axes(height=3.6, title="One job as several processes")
    runs, model = runs_of(result), costs_of(result)
    rates = [Spread.of([run.rate_per_s for run in runs[job_name(n)]]) for n in PROCESSES]
    whiskers = [[rate.median - rate.low for rate in rates], [rate.high - rate.median for rate in rates]]
    places = range(len(_MODELLED))
    measured_at = [_MODELLED.index(n) for n in PROCESSES]
    label = f"measured, {result['cores']} cores"
    plot.errorbar(measured_at, [r.median for r in rates], yerr=whiskers, color=OURS, marker="o", lw=2, label=label)
    for colour, cores in zip(SERIES[1:], _MORE_CORES, strict=False):
        modelled = [forecast(model, processes=n, cores=cores).rate_per_s for n in _MODELLED]
        plot.plot(places, modelled, color=colour, ls="--", marker=".", lw=1.2, label=f"model, {cores} cores")
    plot.set_xticks(list(places), [str(n) for n in _MODELLED])
    plot.set_xlabel("processes of the job")
    plot.set_ylabel("changes/s")
    plot.set_ylim(bottom=0)
    plot.grid(axis="y")
    plot.legend()
    return {"scale": figure}


def _cpu(runs: list[Run], group: str) -> float:
    return Spread.of([run.cpu_s_per_million[group] for run in runs]).median


def _measured(result: Mapping[str, Any], model: Costs) -> str:
    runs = runs_of(result)
    one = [run.rate_per_s for run in runs[job_name(1)]]
    heads = "changes/s, median (least to most) | against one | CPU s for a million: job | MongoDB | Valkey | MB, job"
    lines = [f"| processes | {heads} | of the model |", "|---|---|---|---|---|---|---|---|"]
    for n in PROCESSES:
        of_n = runs[job_name(n)]
        rate, ratio = Spread.of([run.rate_per_s for run in of_n]), ratios([run.rate_per_s for run in of_n], one)
        cpu = " | ".join(f"{_cpu(of_n, group):.1f}" for group in ("job", "mongod", "valkey"))
        memory = Spread.of([run.peak_mb["job"] for run in of_n]).median
        modelled = forecast(model, processes=n, cores=result["cores"]).rate_per_s
        spread = f"{rate.median:,.0f} ({rate.low:,.0f} to {rate.high:,.0f})"
        lines.append(f"| {n} | {spread} | {ratio.median:.2f} | {cpu} | {memory:,.0f} | {rate.median / modelled:.0%} |")
    return "\n".join(lines) + "\n"


def _streams(result: Mapping[str, Any]) -> str:
    runs = runs_of(result)
    one = _cpu(runs[streams_name(1)], "mongod")
    lines = ["| change streams | CPU s of MongoDB for a million changes | against one | of each |", "|---|---|---|---|"]
    for n in PROCESSES:
        cost = _cpu(runs[streams_name(n)], "mongod")
        lines.append(f"| {n} | {cost:.1f} | {cost / one:.2f} | {cost / n:.1f} |")
    return "\n".join(lines) + "\n"


def _formulas(model: Costs) -> str:
    return f"""\
- `job(n) = {model.job.base:.1f} + {model.job.slope:.1f} * (n - 1) / n` for all its processes together,
- `streams(n) = {model.streams.base:.1f} + {model.streams.slope:.1f} * n` for MongoDB, by the table above,
- `valkey = {model.valkey:.1f}`.
"""


def _forecasts(model: Costs, cores_here: int) -> str:
    columns = sorted({cores_here, *_MORE_CORES})
    lines = [f"| processes | {' | '.join(f'{c} cores' for c in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for n in _MODELLED:
        told = [forecast(model, processes=n, cores=c) for c in columns]
        lines.append(f"| {n} | {' | '.join(f'{each.rate_per_s:,.0f} ({each.limit})' for each in told)} |")
    return "\n".join(lines) + "\n"
