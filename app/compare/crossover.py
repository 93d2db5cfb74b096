"""The load at which another path becomes the answer for a task: measured by steps, or estimated from what a path used."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from app.compare.samples import Broken, LoadFigures, VariantFigures
from app.compare.verdict import Figures, is_excluded
from app.compare.wording import bound_words, count, join_words, ms

DEFAULT_MAX_INFLIGHT = 64  # jobs at once on the simple path
WORTH_A_MOVE = 1.1  # times the load: a path that carries less more than that is not recommended


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
