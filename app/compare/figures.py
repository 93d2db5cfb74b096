"""Every figure of a report, computed from its runs alone; and how figures are written."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from app.compare.samples import (
    VARIANTS,
    Ack,
    Broken,
    Figure,
    JobTimes,
    KillFigures,
    LoadFigures,
    PartFigures,
    Run,
    TaskFigures,
    Times,
    VariantFigures,
)

MIN_SAMPLES = {"p50": 1, "p95": 20, "p99": 100}  # with fewer, a quantile would be a guess
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
STATES = ("succeeded", "failed", "cancelled", "skipped", "lost", "refused")  # their sum is the number of jobs offered
ANSWERED = ("succeeded", "failed")  # a client was told the outcome
ACK_MS, ANSWER_S = 100.0, 2.0  # the bounds of a workload that has none


def figures(runs: Sequence[Run], bounds: dict[str, Any]) -> dict[str, VariantFigures]:
    """The figures of each variant that ran, in the order of VARIANTS; bounds as in a workload."""
    names = [name for name in VARIANTS if any(run.variant == name for run in runs)]
    return {name: _variant([run for run in runs if run.variant == name], bounds) for name in names}


def tasks(found: Mapping[str, VariantFigures]) -> list[str]:
    """Every task that ran on any variant."""
    return sorted({task for variant in found.values() for task in variant.tasks})


def times(of: Callable[[Run], list[float | None]], runs: Sequence[Run]) -> Times:
    """Quantiles, in ms, of the seconds that `of` returns for each run; None stands for what never came."""
    found = [(_end(run), of(run)) for run in runs]
    samples = [sorted((end if each is None else each) * 1000 for each in waits) for end, waits in found]
    never = sum(each is None for _, waits in found for each in waits)
    every = sorted(each for each_run in samples for each in each_run)
    mean = round(sum(every) / len(every), 3) if every else None
    return Times(len(every), never, mean, **{name: _quantile(name, samples, every, never) for name in QUANTILES})


def bound_ms(bounds: dict[str, Any], what: str) -> float:
    """The bound in ms: of the ack's p99 for "ack", else of the p95 of a task's answer."""
    if what == "ack":
        return float(bounds.get("ack_ms", ACK_MS))
    return float(bounds.get("tasks", {}).get(what, bounds.get("answer_s", ANSWER_S))) * 1000


def highest_known_quantile(of: Times, wanted: str) -> tuple[str, float] | None:
    """Name and ms of the wanted quantile, or of the highest below it that has enough samples."""
    for name in reversed(list(QUANTILES)[: list(QUANTILES).index(wanted) + 1]):
        value: float | None = getattr(of, name).value
        if value is not None:
            return name, value
    return None


def acks(run: Run) -> list[float | None]:
    """Seconds each message waited for its ack; refused ones are counted elsewhere."""
    return [
        None if ack.acked is None else ack.acked - ack.asked
        for ack in run.acks
        if not ack.task and ack.code in ("ok", "no_ack")
    ]


def answers(run: Run, task: str | None = None) -> list[float | None]:
    """Seconds from due until answered, of one task or all; None for jobs that were lost."""
    return [
        None if job.final is None or job.state == "lost" else job.final - job.asked
        for job in run.jobs
        if job.state in (*ANSWERED, "lost") and task in (None, job.task)
    ]


def states(runs: Iterable[Run], task: str | None = None) -> dict[str, int]:
    """The number of jobs in each final state, refused requests included."""
    count = Counter(job.state for run in runs for job in run.jobs if task in (None, job.task))
    count["refused"] += sum(
        _refused(ack) and bool(ack.task) and task in (None, ack.task) for run in runs for ack in run.acks
    )
    return {state: count[state] for state in STATES}


def lost(run: Run) -> int:
    """How many the audit missed, or how many no client saw end; the larger, since both count the same jobs."""
    return max(run.lost, sum(job.state == "lost" for job in run.jobs))


def _variant(runs: list[Run], bounds: dict[str, Any]) -> VariantFigures:
    load = [run for run in runs if run.kind == "load"]
    by_task = {task: _task(load, task) for task in sorted(_tasks(load))}
    parts = {part: _part(load, part) for part in dict.fromkeys(use.part for run in load for use in run.uses)}
    by_state = states(load)
    ack = times(acks, load)
    return VariantFigures(
        runs=len(load),
        messages=dict(sorted(Counter(each.code for run in load for each in run.acks if not each.task).items())),
        refused=_figure([_not_accepted(run) for run in load], _mean),
        states=by_state,
        offered=sum(by_state.values()),
        unanswered=sum(bool(each.task) and each.code == "no_ack" for run in load for each in run.acks),
        late=times(_client_lateness, load),
        ack=ack,
        wait=times(_waits, load),
        run=times(_runs, load),
        answer=times(answers, load),
        jobs_per_s=_figure([_rate(run) for run in load], _mean),
        messages_per_s=_per_second(load),
        drained=_figure([run.drained for run in load], _mean),
        tasks=by_task,
        parts=parts,
        sockets=sum(part.sockets for part in parts.values()),
        broken=broken_bounds(ack, {name: each.answer for name, each in by_task.items()}, bounds),
        lost=sum(map(lost, runs)),
        doubled=sum(run.doubled for run in runs),
        disordered=sum(run.disordered for run in runs),
        findings=[finding for run in runs for finding in run.findings][:20],
        kills=[_kill(run) for run in runs if run.kind.startswith("kill ")],
        loads=(loads := [_load(run, bounds) for run in runs if run.kind in ("overload", "step")]),
        holds=_highest_held(loads),
    )


def broken_bounds(ack: Times, by_task: dict[str, Times], bounds: dict[str, Any]) -> list[Broken]:
    """The bounds that are broken: on p99 of acks and on p95 of each task's answers, or on the next known lower quantile."""
    found = []
    for what, of, wanted in [("ack", ack, "p99"), *((task, each, "p95") for task, each in by_task.items())]:
        known = highest_known_quantile(of, wanted)
        if known is not None and known[1] > bound_ms(bounds, what):
            found.append(Broken(what, *known, bound_ms(bounds, what)))
    return found


def _task(load: list[Run], task: str) -> TaskFigures:
    by_state = states(load, task)
    return TaskFigures(
        states=by_state,
        offered=sum(by_state.values()),
        undone=_figure([_undone(run, task) for run in load], _mean),
        wait=times(lambda run: _waits(run, task), load),
        run=times(lambda run: _runs(run, task), load),
        answer=times(lambda run: answers(run, task), load),
    )


def _part(load: list[Run], part: str) -> PartFigures:
    used = [[use for use in run.uses if use.part == part] for run in load]
    cpu = [max((use.cpu for use in uses), default=0.0) for uses in used]
    ended = [sum(job.state in ANSWERED for job in run.jobs) for run in load]
    per_1000 = [1000 * seconds / jobs if jobs else None for seconds, jobs in zip(cpu, ended, strict=True)]
    return PartFigures(
        cpu_per_1000=_figure(per_1000, lambda _: 1000 * sum(cpu) / sum(ended) if sum(ended) else None),
        cpu=round(sum(cpu), 3),
        mb=_figure([max((use.mb for use in uses), default=None) for uses in used], max),
        sockets=max((use.sockets for uses in used for use in uses), default=0),
    )


def _load(run: Run, bounds: dict[str, Any]) -> LoadFigures:
    ack = times(acks, [run])
    by_task = {task: times(lambda each, task=task: answers(each, task), [run]) for task in sorted(_tasks([run]))}  # type: ignore[misc]
    return LoadFigures(
        kind=run.kind,
        factor=run.factor,
        repeat=run.repeat,
        messages_per_s=_per_second([run]),
        jobs_per_s=_rate(run),
        ack=ack,
        answer=times(answers, [run]),
        broken=broken_bounds(ack, by_task, bounds),
        states=states([run]),
        refused=dict(sorted(Counter(each.code for each in run.acks if _refused(each)).items())),
        drained=run.drained,
    )


def _kill(run: Run) -> KillFigures:
    return KillFigures(run.kind.removeprefix("kill "), run.repeat, run.recovery, lost(run), run.doubled, run.disordered)


def _highest_held(loads: list[LoadFigures]) -> float | None:
    """The highest step that held below the first that did not."""
    steps = sorted((each for each in loads if each.kind == "step"), key=lambda each: each.factor)
    first = next((each.factor for each in steps if each.broken), math.inf)
    return max((each.factor for each in steps if each.factor < first), default=None)


def _quantile(name: str, by_run: list[list[float]], every: list[float], never: int) -> Figure:
    value = _nearest_rank(every, name)
    if value is None:
        return Figure(None, [], note="too few" if every else "")
    waits = every[: len(every) - never]
    note = "never" if not waits or value > waits[-1] else ""
    least, most = _confidence_interval(every, QUANTILES[name])
    figure = _with_range(value, [_nearest_rank(each, name) for each in by_run], note)
    return msgspec.structs.replace(figure, least=least, most=most)


def _confidence_interval(ordered: list[float], share: float) -> tuple[float, float]:
    """The 95 % confidence interval of a quantile: the samples 1.96 binomial standard deviations around its rank."""
    middle, width = share * len(ordered), 1.96 * math.sqrt(len(ordered) * share * (1 - share))
    first, last = max(0, math.floor(middle - width) - 1), min(len(ordered), math.ceil(middle + width) + 1) - 1
    return round(ordered[first], 3), round(ordered[last], 3)


def _nearest_rank(ordered: list[float], name: str) -> float | None:
    """The nearest-rank quantile, which is one of the samples; None with too few of them."""
    if len(ordered) < MIN_SAMPLES[name]:
        return None
    return round(ordered[math.ceil(QUANTILES[name] * len(ordered)) - 1], 3)


def _figure(repeats: list[float | None], together: Callable[[list[float]], float | None]) -> Figure:
    known = [each for each in repeats if each is not None]
    return _with_range(together(known) if known else None, repeats)


def _with_range(value: float | None, repeats: list[float | None], note: str = "") -> Figure:
    rounded = [None if each is None else round(each, 3) for each in repeats]
    known = [each for each in rounded if each is not None]
    low, high = (min(known), max(known)) if known else (None, None)
    return Figure(None if value is None else round(value, 3), rounded, low, high, note=note)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _waits(run: Run, task: str | None = None) -> list[float | None]:
    return [
        max(0.0, job.started - job.accepted)
        for job in run.jobs
        if job.accepted is not None and job.started is not None and task in (None, job.task)
    ]


def _client_lateness(run: Run) -> list[float | None]:
    return [max(0.0, ack.sent - ack.asked) for ack in run.acks if ack.sent is not None]


def _runs(run: Run, task: str | None = None) -> list[float | None]:
    return [job.run / 1000 for job in run.jobs if job.run is not None and task in (None, job.task)]


def _undone(run: Run, task: str) -> float | None:
    by_state = states([run], task)
    offered = sum(by_state.values())
    return 100 * (offered - by_state["succeeded"] - by_state["lost"]) / offered if offered else None


def _not_accepted(run: Run) -> float | None:
    codes = [ack.code for ack in run.acks if not ack.task]
    return 100 * sum(code != "ok" for code in codes) / len(codes) if codes else None


def _tasks(runs: Iterable[Run]) -> set[str]:
    return {job.task for run in runs for job in run.jobs} | {ack.task for run in runs for ack in run.acks if ack.task}


def _refused(ack: Ack) -> bool:
    return ack.code not in ("ok", "no_ack")


def _rate(run: Run) -> float | None:
    """Jobs that were answered a second, from the first that was due to the last answer."""
    ended = [job for job in run.jobs if job.final is not None and job.state in ANSWERED]
    if not ended:
        return None
    span = max(job.final or 0.0 for job in ended) - min(job.asked for job in ended)
    return round(len(ended) / span, 3) if span > 0 else None


def _per_second(runs: Sequence[Run]) -> float:
    """Messages that arrived a second."""
    seconds = sum(run.seconds for run in runs)
    return round(sum(not ack.task for run in runs for ack in run.acks) / seconds, 3) if seconds else 0.0


def _end(run: Run) -> float:
    """The last moment known of a run, an upper limit of every time in it."""
    seen: list[JobTimes | Ack] = [*run.jobs, *run.acks]
    moments = [each.final if isinstance(each, JobTimes) else each.acked for each in seen]
    return max(run.seconds + (run.drained or 0.0), *(each for each in moments if each is not None), 0.0)


def ms(value: float | None) -> str:
    """Milliseconds with the unit that suits them: 4.2 ms, 44 ms, 1.3 s, 2.5 min; a dash for nothing."""
    if value is None:
        return "–"
    if value < 9.95:
        return f"{value:.1f} ms".replace(".0", "")
    if value < 999.5:
        return f"{value:.0f} ms"
    if value < 59_950:
        return f"{value / 1000:.1f} s" if value < 9_950 else f"{value / 1000:.0f} s"
    return f"{value / 60_000:.1f} min"


def seconds(value: float | None) -> str:
    """As `ms`, of seconds."""
    return ms(None if value is None else value * 1000)


def bound_words(value: float) -> str:
    """A bound in milliseconds, unrounded: 100 ms, 2 s, 120 s."""
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"


def count(value: float | None) -> str:
    """A number with thousands apart: 14,700; two digits for small fractions."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 99.5 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}".replace(".0", "") if abs(value) >= 9.95 else f"{value:.2g}"


def percent(value: float | None) -> str:
    """0.5 %."""
    return "–" if value is None else f"{count(round(value, 1))} %"


def span(values: Sequence[float], words: Callable[[float], str]) -> str:
    """From the lowest to the highest in words: 5.2 to 5.6 s, or 900 ms to 1.2 s; one value where both read alike."""
    low, high = words(min(values)), words(max(values))
    if low == high:
        return low
    number, _, unit = low.rpartition(" ")
    return f"{number if number and high.endswith(f' {unit}') else low} to {high}"


def plural(number: int, one: str, more: str | None = None) -> str:
    """1 part, 2 parts."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def join_words(words: Sequence[str]) -> str:
    """a, b and c."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
