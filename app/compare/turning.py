"""The load at which the answer changes: measured by steps where there are some, else estimated from measured costs."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from app.compare.measures import Broken, LoadFigures, VariantFigures
from app.compare.verdict import Figures, out
from app.compare.words import count, listing, ms

PLACES = 64  # MAX_INFLIGHT's default: jobs at once on the simple path
FURTHER = 1.1  # a path that carries less than a tenth more is not worth a move


class Turn(msgspec.Struct, frozen=True):
    """Where the answer for a task changes."""

    factor: float | None  # of the workload's mean rate; None: nowhere that is known
    measured: bool  # by steps; else estimated
    sentence: str


class Limit(NamedTuple):
    """What a path runs into first."""

    factor: float
    what: str


def turning(task: str, take: str, all_figures: Figures, machine: dict[str, Any]) -> Turn:
    """Where the recommended path stops being the answer for this task."""
    others = [name for name in all_figures if name not in (take, "plain") and not out(all_figures[name])]
    others = [name for name in others if task in all_figures[name].tasks]
    if any(load.kind == "step" for load in all_figures[take].loads):
        return _stepped(task, take, others, all_figures)
    return _estimated(take, others, all_figures, machine)


def limits(path: str, variant: VariantFigures, machine: dict[str, Any]) -> list[Limit]:
    """What this path would run into as its load grows, nearest first, from what it used up.

    The web process has one core. MAX_INFLIGHT places are full at MAX_INFLIGHT / seconds of a run jobs a second (Little's
    law), on the simple path. All parts together have the machine's cores. Workers are no limit: more can be started.
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
        places = machine.get("max_inflight", PLACES)
        found.append(Limit(places / held, f"all {places} places for running jobs (MAX_INFLIGHT) are taken"))
    return sorted(found)


def _estimated(take: str, others: list[str], all_figures: Figures, machine: dict[str, Any]) -> Turn:
    mine = next(iter(limits(take, all_figures[take], machine)), None)
    if mine is None:
        return Turn(None, False, "Not known: the run used too little to be measured.")
    at = f"about {_load(mine.factor, all_figures[take])}"
    nearest = {name: found[0] for name in others if (found := limits(name, all_figures[name], machine))}
    further = [name for name, limit in nearest.items() if limit.factor > mine.factor * FURTHER]
    if further:
        best = max(further, key=lambda name: nearest[name].factor)
        more = f"{best} would carry {nearest[best].factor:.2g}×"
        return Turn(round(mine.factor, 3), False, f"Estimate, not measured: at {at} {mine.what}; {more}.")
    rest = "and no other path carries more" if nearest else "and there is no other path to compare with"
    return Turn(None, False, f"Estimate, not measured: at {at} {mine.what}, {rest}.")


def _stepped(task: str, take: str, others: list[str], all_figures: Figures) -> Turn:
    held, broke = _edge(task, all_figures[take])
    up_to = _load(held, all_figures[take]) if held else None
    if broke is None:
        return Turn(None, True, f"Measured: {take} keeps every bound up to {up_to}, the highest tried.")
    why = f"at {broke.factor:g}× {take} {_words(_relevant(task, broke))}"
    holding = [name for name in others if (_edge(task, all_figures[name])[0] or 0.0) >= broke.factor]
    kept = f"{take} keeps every bound up to {up_to}; {why}" if up_to else why
    if holding:
        return Turn(broke.factor, True, f"Measured: {kept}, where {listing(holding)} still {_keep(holding)} them.")
    return Turn(None, True, f"Measured: {kept}, and no other path does better there.")


def _edge(task: str, variant: VariantFigures) -> tuple[float | None, LoadFigures | None]:
    """The highest step below which this task's bounds always held, and the first step at which they did not."""
    steps = sorted((load for load in variant.loads if load.kind == "step"), key=lambda load: load.factor)
    broke = next((step for step in steps if _relevant(task, step)), None)
    held = [step.factor for step in steps if broke is None or step.factor < broke.factor]
    return max(held, default=None), broke


def _relevant(task: str, step: LoadFigures) -> list[Broken]:
    return [each for each in step.broken if each.what in ("ack", task)]


def _words(broken: list[Broken]) -> str:
    return listing(
        [
            f"{'acknowledges' if each.what == 'ack' else f'answers {each.what}'} within {ms(each.value)} "
            f"({each.quantile}; bound {ms(each.bound)})"
            for each in broken
        ]
    )


def _keep(paths: list[str]) -> str:
    return "keeps" if len(paths) == 1 else "keep"


def _load(factor: float, variant: VariantFigures) -> str:
    return f"{factor:.2g}× this load ({count(factor * variant.messages_per_s)} messages/s on average)"
