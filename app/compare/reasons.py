"""The verdict in words: for each task the path, why, until when, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from app.compare import figures as of
from app.compare.measures import VariantFigures
from app.compare.turning import Turn, turning
from app.compare.verdict import Choice, Comparison, Figures, choose, in_order, out
from app.compare.words import count, listing, ms, several

TAKES = {"simple": "Stay simple", "queued": "Take the queue", "auto": "Let auto choose"}


class Verdict(msgspec.Struct, frozen=True):
    """What to do about one task."""

    task: str
    take: str | None  # simple, queued, auto; None when no path can be recommended
    rule: str  # which decided: bound, undone, answer, ack, conflict, draw, unknown, out, alone
    reason: str
    keeps: bool  # its bounds
    turn: Turn
    costs: str
    parts: list[str]
    plain: str  # how soon the original without a ledger answered; empty when it was not measured
    comparisons: list[Comparison]


def verdicts(all_figures: Figures, bounds: dict[str, Any], machine: dict[str, Any]) -> list[Verdict]:
    """One verdict for each task that ran on any path."""
    return [_verdict(task, all_figures, bounds, machine) for task in of.tasks(all_figures)]


def baseline(found: Sequence[Verdict], all_figures: Figures) -> str:
    """What the plain original did, in one sentence or two; empty when it was not measured."""
    plain = all_figures.get("plain")
    if plain is None:
        return ""
    times = listing([each.plain for each in found if each.plain]) or "nothing was answered"
    faults = f"It {_faults(plain)}" if out(plain) else "It lost nothing in these runs"
    return f"There, {times}. {faults}. It is never recommended: whatever it is doing when it stops is gone."


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
        return f"{TAKES[next(iter(takes))]}."
    most = max(takes, key=lambda take: (len(takes[take]), take == "simple"))
    rest = [f"{_lower(take)} for {listing(tasks)}" for take, tasks in sorted(takes.items()) if take != most]
    return f"{TAKES.get(most, 'No path')}, but {listing(rest)}."


def _lower(take: str) -> str:
    words = TAKES.get(take, "No path")
    return words[0].lower() + words[1:]


def _verdict(task: str, all_figures: Figures, bounds: dict[str, Any], machine: dict[str, Any]) -> Verdict:
    choice = choose(task, all_figures, bounds)
    if choice.take is None:
        never = Turn(None, False, "")
        return Verdict(task, None, choice.rule, _nothing(task, all_figures), False, never, "", [], "", [])
    taken = all_figures[choice.take]
    broken = [each for each in taken.broken if each.what in ("ack", task)]
    reason = _reason(task, choice, all_figures, bounds)
    reason = reason[0].upper() + reason[1:]
    if broken:
        reason += " It still breaks " + listing([_bound_words(each.what, each.bound) for each in broken]) + "."
    return Verdict(
        task=task,
        take=choice.take,
        rule=choice.rule,
        reason=reason,
        keeps=not broken,
        turn=turning(task, choice.take, all_figures, machine),
        costs=_costs(choice.take, all_figures),
        parts=list(taken.parts),
        plain=_plain(task, all_figures),
        comparisons=choice.comparisons,
    )


def _reason(task: str, choice: Choice, all_figures: Figures, bounds: dict[str, Any]) -> str:
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
        return f"Neither is better in all: {'; '.join(known)}. A gain against a loss is a draw, so fewer parts decide."
    if choice.rule in ("answer", "ack"):
        measured = by_measure[choice.rule]
        word = "answers" if choice.rule == "answer" else "acknowledges"
        needed = f"more than the {ms(measured.needed)} that count as a difference"
        return f"{take} {word} sooner: {_sides(measured, take)}, {needed}."
    if choice.rule == "unknown":
        return f"Too few answers to tell {take} from {rival} ({_samples(task, all_figures)}), so fewer parts decide."
    return f"A draw: {'; '.join(known)}; no further apart than chance puts repeats, so fewer parts decide."


def _by_bound(task: str, take: str, rival: str, by_measure: dict[str, Comparison], bounds: dict[str, Any]) -> str:
    for measure, what in (("answer", task), ("ack", "ack")):
        measured, limit = by_measure.get(measure), of.bound(bounds, what)
        if measured is None or measured.value is None or measured.other is None:
            continue
        if (measured.value <= limit) != (measured.other <= limit) and measured.result != "draw":
            return f"Only {take} keeps {_bound_words(what, limit)}: {_sides(measured, take)}."
    raise AssertionError(f"no bound tells {take} from {rival}")


def _bound_words(what: str, limit: float) -> str:
    return f"the bound of {ms(limit)} on {'acks' if what == 'ack' else f'answers of {what}'}"


def _sides(measured: Comparison, take: str) -> str:
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
    paths = in_order(all_figures, task)
    return listing([f"{all_figures[path].tasks[task].answer.n} on {path}" for path in paths])


def _faults(variant: VariantFigures) -> str:
    counted = {"lost": variant.lost, "doubled": variant.doubled, "disordered": variant.disordered}
    return listing([f"{word} {number:,}" for word, number in counted.items() if number]) or "broke nothing"


def _nothing(task: str, all_figures: Figures) -> str:
    bad = [f"{path} {_faults(all_figures[path])}" for path in in_order(all_figures, task) if out(all_figures[path])]
    if not bad:
        return "No path that can be recommended was measured; plain is only the baseline."
    return f"Every path broke a promise: {listing(bad)}. Find out why before choosing."


def _costs(take: str, all_figures: Figures) -> str:
    """How many parts, what a job costs there, and what the others would need."""
    taken = all_figures[take]
    said = f"{several(len(taken.parts), 'part')} to operate ({listing(list(taken.parts))})"
    cpu = _cpu(taken)
    said += "" if cpu is None else f", {count(cpu)} s of processor time for 1,000 jobs"
    for name in ("simple", "queued"):
        other = all_figures.get(name)
        if other is None or name == take or set(other.parts) == set(taken.parts):
            continue
        more = [part for part in taken.parts if part not in other.parts] or [
            part for part in other.parts if part not in taken.parts
        ]
        word = f"{several(len(more), 'part')} {'more' if len(taken.parts) > len(other.parts) else 'fewer'} than {name}"
        needs = _cpu(other)
        return f"{said}. {word} ({listing(more)})" + ("." if needs is None else f", which needs {count(needs)} s.")
    return f"{said}."


def _cpu(variant: VariantFigures) -> float | None:
    known = [part.cpu_per_1000.value for part in variant.parts.values() if part.cpu_per_1000.value is not None]
    return sum(known) if known else None


def _plain(task: str, all_figures: Figures) -> str:
    variant = all_figures.get("plain")
    if variant is None or task not in variant.tasks:
        return ""
    measured = of.judged(variant.tasks[task].answer, "p95")
    return f"{measured[0]} of answers of {task} is {ms(measured[1])}" if measured else f"nobody got an answer of {task}"
