"""Loads that were not run: at which of them another path becomes the answer, and what each path would need at them.

A crossover is measured by steps, or estimated from what a path used. The projection goes beyond one machine, and is
calculated from what jobs cost in the runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from app.compare.figures import bound_words, count, join_words, ms, plural, states
from app.compare.samples import Broken, Figures, LoadFigures, Run, VariantFigures

DEFAULT_MAX_INFLIGHT = 64  # jobs at once on the simple path
WORTH_A_MOVE = 1.1  # times the load: a path that carries less more than that is not recommended

DAY = 86_400
PEAK_TO_AVERAGE = 33 / 16  # 1.4 billion jobs a day are 16,000 a second on average and 33,000 at the peak
TARGET_CORE_SHARE = 0.6  # of a core used at the peak; waiting times grow steeply above it
LEDGER_JOBS_PER_SECOND = 5_000  # one SQLite file acknowledges at least these: `python -m tests.inserts`
MESSAGES_PER_DAY = (14_700, 100_000, 1_000_000, 10_000_000, 100_000_000)
LARGEST_JOBS_PER_DAY = 1_400_000_000
BROKERS = 3  # of the cluster, which all hold every message
SINGLE = {  # what there is one of, and what is needed where that is too little; by topology
    "one": {
        "web process": "several web processes on PostgreSQL; what they cost, compare --topology cluster measures",
        "ledger": "PostgreSQL instead of one SQLite file; what it costs, compare --topology cluster measures",
        "broker": "a broker on cores of its own, or several Spillways (NATS_PREFIX) among which rooms are divided",
    },
    "cluster": {"broker": "several Spillways (NATS_PREFIX) among which rooms are divided"},
}
ASSUMES = (
    "Processor time is proportional to the load. What a part uses while idle is attributed to the jobs, so small loads cost "
    "less than calculated.",
    "Every core is as fast as those measured, and the processes of a part share the load evenly.",
    "The mix of tasks is that of this workload; other tasks have other costs.",
    "A message and the jobs it starts are measured together: the cost of a job includes its share of the message.",
    "Networks, load balancers and the disks of other machines cost nothing in this calculation.",
)
OF = {  # what is assumed of the topology that was measured
    "one": "One web process with one SQLite file and one broker were measured. Several web processes on PostgreSQL cost more "
    "for each job than one: compare --topology cluster measures that.",
    "cluster": "Web processes on PostgreSQL share rooms, and brokers are three that all hold every message: their costs are "
    "those measured with two web processes. The database may use every core of its machine; its disk was not measured.",
}


class Crossover(msgspec.Struct, frozen=True):
    """The load at which the answer for a task changes."""

    factor: float | None  # of the workload's mean rate; None: not known, or this load is already past it
    measured: bool  # in a run; else estimated
    sentence: str


class Limit(NamedTuple):
    """A resource that a path uses up, and at which multiple of the load."""

    factor: float
    what: str


def find_crossover(task: str, take: str, all_figures: Figures, machine: dict[str, Any]) -> Crossover:
    """The load from which another path than the recommended one is the answer for this task.

    There is none once the recommended path breaks a bound at the workload's own load: that load is already past it.
    """
    if relevant(task, all_figures[take].broken):
        return Crossover(None, True, _past(task, take, all_figures[take]))
    others = [name for name in all_figures if name not in (take, "plain") and not all_figures[name].excluded]
    others = [name for name in others if task in all_figures[name].tasks]
    if any(load.kind == "step" for load in all_figures[take].loads):
        return _stepped(task, take, others, all_figures)
    return _estimated(take, others, all_figures, machine)


def limits(path: str, variant: VariantFigures, machine: dict[str, Any]) -> list[Limit]:
    """The limits of this path, the lowest first, estimated from what it used.

    The web process has one core. On the simple path MAX_INFLIGHT jobs run at once, which is reached at MAX_INFLIGHT /
    (seconds of a run) jobs a second (Little's law). All parts together have the cores of the machine. Workers are no
    limit: more can be started.
    """
    seconds = sum(variant.messages.values()) / variant.messages_per_s if variant.messages_per_s else 0.0
    if not seconds:
        return []
    found = []
    web = variant.parts.get("web process")
    if web is not None and web.cpu:
        found.append(Limit(seconds / web.cpu, "the web process uses its whole core"))
    every = sum(part.cpu for part in variant.parts.values())
    if every and machine.get("cores"):
        found.append(
            Limit(machine["cores"] * seconds / every, f"all {machine['cores']} cores of this machine are busy")
        )
    held = sum(each.offered * (each.run.mean or 0.0) / 1000 for each in variant.tasks.values()) / seconds
    if path == "simple" and held:
        places = machine.get("max_inflight", DEFAULT_MAX_INFLIGHT)
        found.append(Limit(places / held, f"all {places} slots (MAX_INFLIGHT) are taken"))
    return sorted(found)


def relevant(task: str, broken: list[Broken]) -> list[Broken]:
    """The broken bounds that concern this task: that on its own answers, and that on acks."""
    return [each for each in broken if each.what in ("ack", task)]


def _past(task: str, take: str, taken: VariantFigures) -> str:
    held, _ = _held_and_broken(task, taken)
    said = f"Already past it: {take} breaks a bound at this load."
    if held is None or held >= 1:
        return said
    return f"{said} The highest step at which it kept every bound is {_load(held, taken)}."


def _estimated(take: str, others: list[str], all_figures: Figures, machine: dict[str, Any]) -> Crossover:
    mine = next(iter(limits(take, all_figures[take], machine)), None)
    if mine is None:
        return Crossover(None, False, "Not known: the run used too little processor time to be measured.")
    at = f"about {_load(mine.factor, all_figures[take])}"
    nearest = {name: found[0] for name in others if (found := limits(name, all_figures[name], machine))}
    further = [name for name, limit in nearest.items() if limit.factor > mine.factor * WORTH_A_MOVE]
    if further:
        best = max(further, key=lambda name: nearest[name].factor)
        more = f"{best} would carry {nearest[best].factor:.2g}× this load"
        return Crossover(round(mine.factor, 3), False, f"Estimate, not measured: at {at} {mine.what}; {more}.")
    rest = "and no other path carries more" if nearest else "and there is no other path to compare with"
    return Crossover(None, False, f"Estimate, not measured: at {at} {mine.what}, {rest}.")


def _stepped(task: str, take: str, others: list[str], all_figures: Figures) -> Crossover:
    held, broke = _held_and_broken(task, all_figures[take])
    up_to = _load(held, all_figures[take]) if held else None
    if broke is None:
        return Crossover(None, True, f"Measured: {take} keeps every bound up to {up_to}, the highest tried.")
    why = f"at {broke.factor:g}× {take} {_broken_words(relevant(task, broke.broken))}"
    holding = [name for name in others if (_held_and_broken(task, all_figures[name])[0] or 0.0) >= broke.factor]
    kept = f"{take} keeps every bound up to {up_to}; {why}" if up_to else why
    if holding:
        return Crossover(
            broke.factor, True, f"Measured: {kept}, where {join_words(holding)} still {_keeps(holding)} them."
        )
    return Crossover(None, True, f"Measured: {kept}, and no other path does better there.")


def _held_and_broken(task: str, variant: VariantFigures) -> tuple[float | None, LoadFigures | None]:
    """The highest step below which this task's bounds always held, and the first step at which they did not."""
    steps = sorted((load for load in variant.loads if load.kind == "step"), key=lambda load: load.factor)
    broke = next((step for step in steps if relevant(task, step.broken)), None)
    held = [step.factor for step in steps if broke is None or step.factor < broke.factor]
    return max(held, default=None), broke


def _broken_words(broken: list[Broken]) -> str:
    return join_words(
        [
            f"{'acknowledges' if each.what == 'ack' else f'answers {each.what}'} within {ms(each.value)} "
            f"({each.quantile}; bound {bound_words(each.bound)})"
            for each in broken
        ]
    )


def _keeps(paths: list[str]) -> str:
    return "keeps" if len(paths) == 1 else "keep"


def _load(factor: float, variant: VariantFigures) -> str:
    return f"{factor:.2g}× this load ({count(factor * variant.messages_per_s)} messages/s on average)"


class Need(msgspec.Struct, frozen=True):
    """The processes that one path needs at one load."""

    parts: dict[str, int]  # processes of each part at the peak, the model servers apart
    model_servers: int  # cores for models, as they were measured
    first: str  # the part that needs most processes; empty when one of each is enough
    times: float  # how many of them the peak would fill
    built: bool  # whether what was measured carries it with more processes alone
    sentence: str


class LoadLevel(msgspec.Struct, frozen=True):
    """One load, and what each path needs at it."""

    name: str
    messages_per_day: float | None  # None when the runs had no messages
    jobs_per_day: float
    average: float  # jobs a second
    peak: float  # jobs a second
    needs: dict[str, Need]  # by variant


class Check(msgspec.Struct, frozen=True):
    """The projected processor time of one part, compared with a run at another load."""

    variant: str
    kind: str
    factor: float
    repeat: int
    part: str
    projected: float  # s
    measured: float  # s
    off: float  # (projected - measured) / measured


class Reach(msgspec.Struct, frozen=True):
    """The projected maximum of a path on this machine, compared with the most it did in any run."""

    variant: str
    limit: str  # what is used up first: a part's one core, or all cores
    projected: float  # jobs a second
    measured: float  # jobs a second
    off: float  # (projected - measured) / measured


class Projection(msgspec.Struct, frozen=True):
    """The report's section on other loads."""

    jobs_per_message: float | None
    costs: dict[
        str, dict[str, float]
    ]  # variant -> part -> ms of processor time for each job, its share of the message in it
    target: float
    peak: float
    ledger: int
    steps: list[LoadLevel]
    checks: list[Check]
    reaches: list[Reach]
    checked: str  # how far off the projection was, in words
    assumes: list[str]


def project(all_figures: Figures, runs: Sequence[Run], machine: Mapping[str, Any], topology: str = "one") -> Projection:
    """The projection of every path that was measured, except `plain`, which loses jobs."""
    paths = {name: each for name, each in all_figures.items() if name != "plain" and _ended(each)}
    costs = {name: _job_costs(each) for name, each in paths.items()}
    messages = sum(sum(each.messages.values()) for each in paths.values())
    ratio = sum(each.offered for each in paths.values()) / messages if messages else None
    checks = _checks(costs, runs)
    reaches = [reach for name in paths if (reach := _reach(name, costs[name], paths[name], machine)) is not None]
    return Projection(
        jobs_per_message=None if ratio is None else round(ratio, 3),
        costs={name: {part: round(cost * 1000, 4) for part, cost in each.items()} for name, each in costs.items()},
        target=TARGET_CORE_SHARE,
        peak=round(PEAK_TO_AVERAGE, 3),
        ledger=LEDGER_JOBS_PER_SECOND,
        steps=_load_levels(costs, ratio, topology) if costs else [],
        checks=checks,
        reaches=reaches,
        checked=_checked(checks, reaches),
        assumes=[*ASSUMES, OF[topology]],
    )


def _ended(variant: VariantFigures) -> int:
    return variant.states["succeeded"] + variant.states["failed"]


def _job_costs(variant: VariantFigures) -> dict[str, float]:
    """Seconds of processor time of each part for each job that ended."""
    return {part: each.cpu / _ended(variant) for part, each in variant.parts.items()}


def _load_levels(costs: dict[str, dict[str, float]], ratio: float | None, topology: str) -> list[LoadLevel]:
    largest = float(LARGEST_JOBS_PER_DAY)
    loads: list[tuple[str, float | None, float]] = [
        (f"{_in_words(largest)} jobs a day", largest / ratio if ratio else None, largest)
    ]
    if ratio:
        loads += [(f"{_in_words(each)} messages a day", float(each), each * ratio) for each in MESSAGES_PER_DAY]
    steps = []
    for name, messages, jobs in sorted(loads, key=lambda load: load[2]):
        average, peak = jobs / DAY, jobs / DAY * PEAK_TO_AVERAGE
        needs = {path: _need(each, peak, topology) for path, each in costs.items()}
        steps.append(LoadLevel(name, messages, round(jobs), round(average, 3), round(peak, 3), needs))
    return steps


def _in_words(value: float) -> str:
    """A large number in words: 14,700, 100,000, 10 million, 1.4 billion."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {word}"
    return count(value)


def _need(costs: dict[str, float], peak: float, topology: str) -> Need:
    """What is needed for every part to be at most TARGET_CORE_SHARE busy at the peak."""
    filled = {part: peak * cost / TARGET_CORE_SHARE for part, cost in costs.items()}
    servers = math.ceil(filled.pop("model server", 0.0))
    if topology == "one":
        filled["ledger"] = peak / LEDGER_JOBS_PER_SECOND
    elif "broker" in filled:
        filled["broker"] /= BROKERS
    parts = {part: max(1, math.ceil(each)) for part, each in filled.items()}
    past = {part: each for part, each in filled.items() if part in SINGLE[topology] and each > 1}
    first = max(past or filled, key=lambda part: filled[part])
    times = filled[first]
    return Need(
        parts,
        max(1, servers),
        first if times > 1 else "",
        round(times, 3),
        not past,
        _need_words(first, times, SINGLE[topology][first] if past else ""),
    )


def _need_words(first: str, times: float, needed: str) -> str:
    if needed:
        return f"The {first} is the first limit: the peak needs {count(times)} of them. This needs {needed}."
    if times > 1:
        more = plural(math.ceil(times), "process", "processes")
        return f"The {first} is the first limit: the peak needs {count(times)} of them; start {more}."
    return f"One of each is enough; the {first} is the busiest, at {count(round(100 * times, 1))} % of its target."


def _checks(costs: dict[str, dict[str, float]], runs: Sequence[Run]) -> list[Check]:
    found = []
    for run in runs:
        if run.kind not in ("overload", "step") or run.variant not in costs:
            continue
        by_state = states([run])
        ended = by_state["succeeded"] + by_state["failed"]
        for part, cost in costs[run.variant].items():
            measured = max((use.cpu for use in run.uses if use.part == part), default=0.0)
            if measured and ended:
                off = (cost * ended - measured) / measured
                found.append(
                    Check(
                        run.variant,
                        run.kind,
                        run.factor,
                        run.repeat,
                        part,
                        round(cost * ended, 3),
                        round(measured, 3),
                        round(off, 3),
                    )
                )
    return found


def _reach(name: str, costs: dict[str, float], variant: VariantFigures, machine: Mapping[str, Any]) -> Reach | None:
    """None without an overload run: only that shows the most that a path can do."""
    reached = [load.jobs_per_s for load in variant.loads if load.jobs_per_s is not None]
    if not reached or not any(load.kind == "overload" for load in variant.loads):
        return None
    limits = [
        (1 / cost, f"the core of the {part}")
        for part, cost in costs.items()
        if cost and part in ("web process", "worker")
    ]
    if sum(costs.values()) and machine.get("cores"):
        limits.append((machine["cores"] / sum(costs.values()), f"all {machine['cores']} cores"))
    if not limits:
        return None
    projected, limit = min(limits)
    return Reach(name, limit, round(projected, 3), max(reached), round((projected - max(reached)) / max(reached), 3))


def _checked(checks: list[Check], reaches: list[Reach]) -> str:
    if not checks:
        return "Not checked: this needs runs at other loads; --full adds them."
    worst = max(checks, key=lambda each: abs(each.off))
    middle = sorted(abs(each.off) for each in checks)[len(checks) // 2]
    runs = plural(len({(each.variant, each.kind, each.factor, each.repeat) for each in checks}), "run")
    said = (
        f"Checked against {runs} at other loads: the calculated processor time was off by {100 * middle:.0f} % in the "
        f"median and by {100 * worst.off:+.0f} % at worst ({worst.part} of {worst.variant} at {worst.factor:g}×)."
    )
    for each in reaches:
        said += (
            f" At these costs {each.variant} would use up {each.limit} at {count(each.projected)} jobs/s; "
            f"the highest rate in any run was {count(each.measured)}."
        )
    return said
