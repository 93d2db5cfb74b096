"""The verdict on each task with its reason, the load at which it changes and its cost; and all of them in one sentence."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import msgspec

from app.compare import figures as of
from app.compare.loads import Crossover, find_crossover
from app.compare.reasons import Judged, faults, judge, kind, reason
from app.compare.samples import Figures, VariantFigures
from app.compare.verdict import Difference
from app.compare.wording import bound_words, count, join_words, ms, plural

RECOMMENDATIONS = {"simple": "Stay simple", "queued": "Take the queue", "auto": "Let auto choose"}
SUBJECTS = {1: "it does not keep", 2: "neither path keeps"}  # by the number of paths that could be recommended


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


class Group(NamedTuple):
    """Tasks whose verdicts are equal, told together."""

    tasks: list[str]
    take: str | None
    reason: str
    turns: list[str]  # the load at which the answer changes: one sentence, or one for each task that has its own

    @property
    def title(self) -> str:
        """The names of its tasks."""
        return ", ".join(self.tasks)


def verdicts(all_figures: Figures, bounds: dict[str, Any], machine: dict[str, Any]) -> list[Verdict]:
    """One verdict for each task that ran on any path."""
    return [_verdict(judge(task, all_figures, bounds), all_figures, bounds, machine) for task in of.tasks(all_figures)]


def groups(found: Sequence[Verdict], all_figures: Figures, bounds: dict[str, Any]) -> list[Group]:
    """The same verdicts, those that are equal together, in the order of their first tasks."""
    turns = {each.task: each.turn.sentence for each in found}
    by_kind: dict[Hashable, list[Judged]] = {}
    for each in found:
        judged = judge(each.task, all_figures, bounds)
        by_kind.setdefault(kind(judged, all_figures, bounds), []).append(judged)
    return [
        Group(
            [each.task for each in group],
            group[0].choice.take,
            reason(group, all_figures, bounds),
            _turns({each.task: turns[each.task] for each in group}),
        )
        for group in by_kind.values()
    ]


def _turns(by_task: dict[str, str]) -> list[str]:
    different = {each for each in by_task.values() if each}
    return sorted(different) if len(different) < 2 else [f"{task}: {said}" for task, said in by_task.items()]


def headline(found: Sequence[Verdict], all_figures: Figures) -> str:
    """All verdicts in one sentence, with the bounds that no path keeps."""
    takes: dict[str, list[str]] = {}
    for each in found:
        takes.setdefault(each.take or "", []).append(each.task)
    if not found or set(takes) == {""}:
        return "No path can be recommended."
    unkept = _unkept([each.task for each in found if each.take], all_figures)
    if set(takes) == {"simple"} and all(each.rule == "draw" for each in found):
        return f"A draw: stay simple{unkept}."
    if len(takes) == 1:
        return f"{RECOMMENDATIONS[next(iter(takes))]}{unkept}."
    most = max(takes, key=lambda take: (len(takes[take]), take == "simple"))
    rest = [f"{_lower(take)} for {join_words(tasks)}" for take, tasks in sorted(takes.items()) if take != most]
    return f"{RECOMMENDATIONS.get(most, 'No path')}, but {join_words(rest)}{unkept}."


def _lower(take: str) -> str:
    words = RECOMMENDATIONS.get(take, "No path")
    return words[0].lower() + words[1:]


def _unkept(tasks: Sequence[str], all_figures: Figures) -> str:
    """The rest of the headline: `; neither path keeps 2 s under this load`. Empty when some path keeps each bound."""
    paths = [each for name, each in all_figures.items() if name != "plain" and not each.excluded]
    by_limit: dict[float, list[str]] = {}
    for what in ("ack", *tasks):
        limits = [_broken_bound(what, each) for each in paths if what == "ack" or what in each.tasks]
        if limits and limits[0] is not None and None not in limits:
            by_limit.setdefault(limits[0], []).append("acks" if what == "ack" else what)
    if not by_limit:
        return ""
    all_answers = list(by_limit.values()) == [list(tasks)]
    said = [bound_words(limit) + ("" if all_answers else f" for {join_words(of)}") for limit, of in by_limit.items()]
    return f"; {SUBJECTS.get(len(paths), 'no path keeps')} {join_words(said)} under this load"


def _broken_bound(what: str, variant: VariantFigures) -> float | None:
    return next((each.bound for each in variant.broken if each.what == what), None)


def baseline(found: Sequence[Verdict], all_figures: Figures) -> str:
    """What the variant without a ledger did, in a sentence or two; empty when it was not measured."""
    plain = all_figures.get("plain")
    if plain is None:
        return ""
    times = join_words([each.plain for each in found if each.plain]) or "no job was answered"
    wrong = f"It {faults(plain)}" if plain.excluded else "It lost nothing in these runs"
    return (
        f"On plain, {times}. {wrong}. It is never recommended: jobs that are running when the process stops are lost."
    )


def _verdict(judged: Judged, all_figures: Figures, bounds: dict[str, Any], machine: dict[str, Any]) -> Verdict:
    task, choice, broken = judged
    why = reason([judged], all_figures, bounds)
    if choice.take is None:
        never = Crossover(None, False, "")
        return Verdict(task, None, choice.rule, why, False, never, "", [], "", [])
    return Verdict(
        task=task,
        take=choice.take,
        rule=choice.rule,
        reason=why,
        keeps=not broken,
        turn=find_crossover(task, choice.take, all_figures, machine),
        costs=_costs(choice.take, all_figures),
        parts=list(all_figures[choice.take].parts),
        plain=_plain(task, all_figures),
        comparisons=choice.comparisons,
    )


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
