"""The verdict in words: for each task the path, the reason, the load at which that changes, and the cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from app.compare import figures as of
from app.compare.samples import Broken, LoadFigures, VariantFigures
from app.compare.verdict import Choice, Difference, Figures, choose, fewest_parts_first, is_excluded

DEFAULT_MAX_INFLIGHT = 64  # jobs at once on the simple path
WORTH_A_MOVE = 1.1  # times the load: a path that carries less more than that is not recommended
FEWER_PARTS = "the path with fewer parts is taken"
RECOMMENDATIONS = {"simple": "Stay simple", "queued": "Take the queue", "auto": "Let auto choose"}


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


def series(values: Sequence[float | None]) -> str:
    """Milliseconds side by side in one unit: 12 · 30 · 44 ms, or 0.4 · 1.3 · 2.5 s; a dash for nothing."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    unit, size = ("ms", 1.0) if max(known) < 999.5 else ("s", 1000.0)
    return " · ".join("–" if value is None else f"{_short(value / size)}" for value in values) + f" {unit}"


def _short(value: float) -> str:
    if value >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"


def seconds(value: float | None) -> str:
    """As `ms`, of seconds."""
    return ms(None if value is None else value * 1000)


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


def in_words(value: float) -> str:
    """A large number in words: 14,700, 100,000, 10 million, 1.4 billion."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {word}"
    return count(value)


def join_words(words: Sequence[str]) -> str:
    """a, b and c."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def plural(number: int, one: str, more: str | None = None) -> str:
    """1 part, 2 parts."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def setting(value: Any) -> str:
    """A value of a workload file: text as it is, lists and tables by their entries."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {setting(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(setting(each) for each in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def moment(rfc3339: str) -> str:
    """21 November 2026, 12:00 UTC; what is no time stays as it is."""
    try:
        at = datetime.fromisoformat(rfc3339).astimezone(UTC)
    except ValueError:
        return rfc3339
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


class Crossover(msgspec.Struct, frozen=True):
    """The load at which the answer for a task changes."""

    factor: float | None  # of the workload's mean rate; None: not known
    measured: bool  # by steps; else estimated
    sentence: str


class Limit(NamedTuple):
    """A resource that a path uses up, and at which multiple of the load."""

    factor: float
    what: str


def find_crossover(task: str, take: str, all_figures: Figures, machine: dict[str, Any]) -> Crossover:
    """The load from which another path than the recommended one is the answer for this task."""
    others = [name for name in all_figures if name not in (take, "plain") and not is_excluded(all_figures[name])]
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
        found.append(Limit(seconds / web.cpu, "the core of the web process is used up"))
    every = sum(part.cpu for part in variant.parts.values())
    if every and machine.get("cores"):
        found.append(
            Limit(machine["cores"] * seconds / every, f"the {machine['cores']} cores of this machine are used up")
        )
    held = sum(each.offered * (each.run.mean or 0.0) / 1000 for each in variant.tasks.values()) / seconds
    if path == "simple" and held:
        places = machine.get("max_inflight", DEFAULT_MAX_INFLIGHT)
        found.append(Limit(places / held, f"all {places} slots for running jobs (MAX_INFLIGHT) are taken"))
    return sorted(found)


def _estimated(take: str, others: list[str], all_figures: Figures, machine: dict[str, Any]) -> Crossover:
    mine = next(iter(limits(take, all_figures[take], machine)), None)
    if mine is None:
        return Crossover(None, False, "Not known: the run used too little to be measured.")
    at = f"about {_load(mine.factor, all_figures[take])}"
    nearest = {name: found[0] for name in others if (found := limits(name, all_figures[name], machine))}
    further = [name for name, limit in nearest.items() if limit.factor > mine.factor * WORTH_A_MOVE]
    if further:
        best = max(further, key=lambda name: nearest[name].factor)
        more = f"{best} would carry {nearest[best].factor:.2g}×"
        return Crossover(round(mine.factor, 3), False, f"Estimate, not measured: at {at} {mine.what}; {more}.")
    rest = "and no other path carries more" if nearest else "and there is no other path to compare with"
    return Crossover(None, False, f"Estimate, not measured: at {at} {mine.what}, {rest}.")


def _stepped(task: str, take: str, others: list[str], all_figures: Figures) -> Crossover:
    held, broke = _held_and_broken(task, all_figures[take])
    up_to = _load(held, all_figures[take]) if held else None
    if broke is None:
        return Crossover(None, True, f"Measured: {take} keeps every bound up to {up_to}, the highest tried.")
    why = f"at {broke.factor:g}× {take} {_broken_words(_relevant(task, broke))}"
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
    broke = next((step for step in steps if _relevant(task, step)), None)
    held = [step.factor for step in steps if broke is None or step.factor < broke.factor]
    return max(held, default=None), broke


def _relevant(task: str, step: LoadFigures) -> list[Broken]:
    return [each for each in step.broken if each.what in ("ack", task)]


def _broken_words(broken: list[Broken]) -> str:
    return join_words(
        [
            f"{'acknowledges' if each.what == 'ack' else f'answers {each.what}'} within {ms(each.value)} "
            f"({each.quantile}; bound {ms(each.bound)})"
            for each in broken
        ]
    )


def _keeps(paths: list[str]) -> str:
    return "keeps" if len(paths) == 1 else "keep"


def _load(factor: float, variant: VariantFigures) -> str:
    return f"{factor:.2g}× this load ({count(factor * variant.messages_per_s)} messages/s on average)"


class Verdict(msgspec.Struct, frozen=True):
    """The recommendation for one task."""

    task: str
    take: str | None  # simple, queued, auto; None when no path can be recommended
    rule: str  # the rule that decided: bound, undone, answer, ack, conflict, draw, unknown, out, alone
    reason: str
    keeps: bool  # whether it keeps the task's bounds
    turn: Crossover
    costs: str
    parts: list[str]
    plain: str  # how soon the variant without a ledger answered; empty when it was not measured
    comparisons: list[Difference]


def verdicts(all_figures: Figures, bounds: dict[str, Any], machine: dict[str, Any]) -> list[Verdict]:
    """One verdict for each task that ran on any path."""
    return [_verdict(task, all_figures, bounds, machine) for task in of.tasks(all_figures)]


def baseline(found: Sequence[Verdict], all_figures: Figures) -> str:
    """What the variant without a ledger did, in a sentence or two; empty when it was not measured."""
    plain = all_figures.get("plain")
    if plain is None:
        return ""
    times = join_words([each.plain for each in found if each.plain]) or "nothing was answered"
    faults = f"It {_faults(plain)}" if is_excluded(plain) else "It lost nothing in these runs"
    return f"There, {times}. {faults}. It is never recommended: jobs that run when it stops are gone."


def headline(found: Sequence[Verdict]) -> str:
    """All verdicts in one sentence."""
    takes: dict[str, list[str]] = {}
    for each in found:
        takes.setdefault(each.take or "", []).append(each.task)
    if not found or set(takes) == {""}:
        return "No path can be recommended."
    if set(takes) == {"simple"} and all(each.rule == "draw" for each in found):
        return "A draw: stay simple."
    if len(takes) == 1:
        return f"{RECOMMENDATIONS[next(iter(takes))]}."
    most = max(takes, key=lambda take: (len(takes[take]), take == "simple"))
    rest = [f"{_lower(take)} for {join_words(tasks)}" for take, tasks in sorted(takes.items()) if take != most]
    return f"{RECOMMENDATIONS.get(most, 'No path')}, but {join_words(rest)}."


def _lower(take: str) -> str:
    words = RECOMMENDATIONS.get(take, "No path")
    return words[0].lower() + words[1:]


def _verdict(task: str, all_figures: Figures, bounds: dict[str, Any], machine: dict[str, Any]) -> Verdict:
    choice = choose(task, all_figures, bounds)
    if choice.take is None:
        never = Crossover(None, False, "")
        return Verdict(task, None, choice.rule, _nothing(task, all_figures), False, never, "", [], "", [])
    taken = all_figures[choice.take]
    broken = [each for each in taken.broken if each.what in ("ack", task)]
    reason = _reason(task, choice, all_figures, bounds)
    reason = reason[0].upper() + reason[1:]
    if broken:
        reason += " It still breaks " + join_words([_bound_words(each.what, each.bound) for each in broken]) + "."
    return Verdict(
        task=task,
        take=choice.take,
        rule=choice.rule,
        reason=reason,
        keeps=not broken,
        turn=find_crossover(task, choice.take, all_figures, machine),
        costs=_costs(choice.take, all_figures),
        parts=list(taken.parts),
        plain=_plain(task, all_figures),
        comparisons=choice.comparisons,
    )


def _reason(task: str, choice: Choice, all_figures: Figures, bounds: dict[str, Any]) -> str:  # noqa: PLR0911 # a rule, a sentence
    take, rival = choice.take or "", choice.rival
    if rival is None:
        return f"Only {take} was measured, so there is nothing to compare it with."
    if choice.rule == "out":
        return f"{rival} is out: it {_faults(all_figures[rival])}; {take} did not."
    by_measure = {
        each.measure: each
        for each in choice.comparisons
        if {each.path, each.against} == {take, rival} and each.value is not None
    }
    known = [_sides(by_measure[measure], take) for measure in ("answer", "ack") if measure in by_measure]
    if choice.rule == "bound":
        return _by_bound(task, take, rival, by_measure, bounds)
    if choice.rule == "undone":
        return f"{take} leaves less undone: {_undone(task, take, all_figures)}, {rival} {_undone(task, rival, all_figures)}."
    if choice.rule == "conflict":
        return f"Neither is better in both: {'; '.join(known)}. That is a draw, so {FEWER_PARTS}."
    if choice.rule in ("answer", "ack"):
        measured = by_measure[choice.rule]
        word = "answers" if choice.rule == "answer" else "acknowledges"
        needed = f"more than the {ms(measured.needed)} that count as a difference"
        return f"{take} {word} sooner: {_sides(measured, take)}, {needed}."
    if choice.rule == "unknown":
        return f"Too few answers to tell {take} from {rival} ({_samples(task, all_figures)}), so {FEWER_PARTS}."
    return f"A draw: {'; '.join(known)}; the difference is within chance, so {FEWER_PARTS}."


def _by_bound(task: str, take: str, rival: str, by_measure: dict[str, Difference], bounds: dict[str, Any]) -> str:
    for measure, what in (("answer", task), ("ack", "ack")):
        measured, limit = by_measure.get(measure), of.bound_ms(bounds, what)
        if measured is None or measured.value is None or measured.other is None:
            continue
        if (measured.value <= limit) != (measured.other <= limit) and measured.result != "draw":
            return f"Only {take} keeps {_bound_words(what, limit)}: {_sides(measured, take)}."
    raise AssertionError(f"no bound tells {take} from {rival}")


def _bound_words(what: str, limit: float) -> str:
    return f"the bound of {ms(limit)} on {'acks' if what == 'ack' else f'answers of {what}'}"


def _sides(measured: Difference, take: str) -> str:
    """p95 of answers is 44 ms on simple and 95 ms on queued, the taken path first."""
    mine, other = (measured.value, measured.path), (measured.other, measured.against)
    first, second = (mine, other) if measured.path == take else (other, mine)
    noun = "answers" if measured.measure == "answer" else "acks"
    return f"{measured.quantile} of {noun} is {ms(first[0])} on {first[1]} and {ms(second[0])} on {second[1]}"


def _undone(task: str, path: str, all_figures: Figures) -> str:
    variant = all_figures[path]
    jobs, messages = variant.tasks[task].undone.value or 0.0, variant.refused.value or 0.0
    return f"{count(round(jobs, 1))} % of jobs and {count(round(messages, 1))} % of messages"


def _samples(task: str, all_figures: Figures) -> str:
    paths = fewest_parts_first(all_figures, task)
    return join_words([f"{all_figures[path].tasks[task].answer.n} on {path}" for path in paths])


def _faults(variant: VariantFigures) -> str:
    counted = {"lost": variant.lost, "doubled": variant.doubled, "disordered": variant.disordered}
    return join_words([f"{word} {number:,}" for word, number in counted.items() if number]) or "broke nothing"


def _nothing(task: str, all_figures: Figures) -> str:
    bad = [
        f"{path} {_faults(all_figures[path])}"
        for path in fewest_parts_first(all_figures, task)
        if is_excluded(all_figures[path])
    ]
    if not bad:
        return "No path that can be recommended was measured; plain is only the baseline."
    return f"Every path broke a promise: {join_words(bad)}. Find out why before choosing."


def _costs(take: str, all_figures: Figures) -> str:
    """The number of parts, the cost of a job, and what other paths need."""
    taken = all_figures[take]
    said = f"{plural(len(taken.parts), 'part')} to operate ({join_words(list(taken.parts))})"
    cpu = _cpu(taken)
    said += "" if cpu is None else f", {count(cpu)} s of processor time for 1,000 jobs"
    for name in ("simple", "queued"):
        other = all_figures.get(name)
        if other is None or name == take or set(other.parts) == set(taken.parts):
            continue
        more = [part for part in taken.parts if part not in other.parts] or [
            part for part in other.parts if part not in taken.parts
        ]
        word = f"{plural(len(more), 'part')} {'more' if len(taken.parts) > len(other.parts) else 'fewer'} than {name}"
        needs = _cpu(other)
        return f"{said}. {word} ({join_words(more)})" + ("." if needs is None else f", which needs {count(needs)} s.")
    return f"{said}."


def _cpu(variant: VariantFigures) -> float | None:
    known = [part.cpu_per_1000.value for part in variant.parts.values() if part.cpu_per_1000.value is not None]
    return sum(known) if known else None


def _plain(task: str, all_figures: Figures) -> str:
    variant = all_figures.get("plain")
    if variant is None or task not in variant.tasks:
        return ""
    measured = of.highest_known_quantile(variant.tasks[task].answer, "p95")
    return f"{measured[0]} of answers of {task} is {ms(measured[1])}" if measured else f"nobody got an answer of {task}"
