"""Which path to take, task by task, by rules that docs/compare.md repeats in words.

1. A path that lost, doubled or disordered anything, in any run, is out. `plain` is judged and never recommended: it
   forgets what it was doing at every restart.
2. The rest meet in pairs, from the fewest parts to the most. The one with more parts must win; whatever is no win is
   a draw, and a draw goes to the one with fewer parts.
3. It wins by the first of these that tells the two apart:
   bound    only one keeps the task's bound on answers (p95) and the bound on acks (p99);
   undone   one leaves more jobs or messages undone: failed, cancelled, skipped, refused;
   answer   one answers sooner (p95), unless the other acknowledges sooner (p99): a gain against a loss is a draw;
   ack      one acknowledges sooner, likewise.
4. Two values differ when no repeat of the one lies among those of the other, when the number of their samples puts
   them in different places (19 times of 20), and when they are further apart than the larger spread between repeats:
   than four times that with two repeats, twice with three, as few repeats lie close together by chance. With one
   repeat there is no spread, and 20 % of the larger stands for it. Less than 5 ms, 5 %, or one percent of the jobs,
   never counts.
5. With too few samples for a quantile the next lower one is judged; both paths by the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from app.compare import figures as of
from app.compare.measures import Figure, Times, VariantFigures
from app.compare.samples import VARIANTS

NOTICED_MS, NOTICED_SHARE = 5.0, 0.05  # smaller differences are nobody's concern
NOTICED_PERCENT = 1.0  # of jobs or messages undone
ALONE = 0.20  # stands for the spread where there is one repeat
TIMES_SPREAD = {2: 4.0, 3: 2.0}  # by repeats: the fewer, the closer they lie by chance

Result = Literal["better", "worse", "draw", "unknown"]
Figures = Mapping[str, VariantFigures]


class Comparison(msgspec.Struct, frozen=True):
    """One measure of two paths; in ms, or percent for undone."""

    measure: str  # answer, ack or undone
    quantile: str  # p50, p95 or p99; empty for undone
    path: str
    against: str
    value: float | None  # of path
    other: float | None  # of against
    needed: float | None  # how far apart they must be to differ
    result: Result  # of path


class Pair(NamedTuple):
    """How two paths stand to each other for one task."""

    winner: str
    rule: str  # bound, undone, answer, ack, conflict, draw or unknown
    comparisons: list[Comparison]


class Choice(NamedTuple):
    """The path for one task, and against which other it had to stand."""

    take: str | None  # None: every path is out, or none was measured
    rule: str  # as in Pair; out; alone
    rival: str | None
    comparisons: list[Comparison]


def choose(task: str, all_figures: Figures, bounds: dict[str, Any]) -> Choice:
    """The path for a task by the rules above."""
    candidates = in_order(all_figures, task)
    sound = [name for name in candidates if not out(all_figures[name])]
    if not sound:
        return Choice(None, "out" if candidates else "alone", None, [])
    take, rival, rule, comparisons = sound[0], None, "", []
    for other in sound[1:]:
        pair = meet(task, take, other, all_figures, bounds)
        comparisons += pair.comparisons
        if pair.winner == other:
            take, rival, rule = other, take, pair.rule
        elif rival is None:
            rival, rule = other, pair.rule
    if rival is None or (take == sound[0] and candidates[0] != take):
        fallen = next((name for name in candidates if name not in sound), None)
        return Choice(take, "out" if fallen else "alone", fallen, comparisons)
    return Choice(take, rule, rival, comparisons)


def in_order(all_figures: Figures, task: str) -> list[str]:
    """The paths that did this task, the one with the fewest parts first."""
    did = [name for name in VARIANTS if name != "plain" and name in all_figures and task in all_figures[name].tasks]
    return sorted(did, key=lambda name: (len(all_figures[name].parts), VARIANTS.index(name)))


def out(variant: VariantFigures) -> bool:
    """Whether it broke a promise."""
    return bool(variant.lost or variant.doubled or variant.disordered)


def meet(task: str, fewer: str, more: str, all_figures: Figures, bounds: dict[str, Any]) -> Pair:
    """Two paths side by side; `fewer`, which has no more parts than the other, wins what is no win."""
    left, right = all_figures[fewer], all_figures[more]
    answer = compare("answer", "p95", (fewer, left.tasks[task].answer), (more, right.tasks[task].answer))
    ack = compare("ack", "p99", (fewer, left.ack), (more, right.ack))
    undone = [
        _differ("undone", "", (fewer, left.tasks[task].undone), (more, right.tasks[task].undone)),
        _differ("undone", "", (fewer, left.refused), (more, right.refused)),
    ]
    rules = [
        ("bound", [_by_bound(answer, of.bound(bounds, task)), _by_bound(ack, of.bound(bounds, "ack"))]),
        ("undone", [each.result for each in undone]),
        ("answer", [answer.result, ack.result]),
    ]
    comparisons = [answer, ack, *(each for each in undone if each.result != "draw" or each.value or each.other)]
    for rule, results in rules:
        better, worse = "better" in results, "worse" in results
        if better and worse:
            return Pair(fewer, "conflict", comparisons)
        if better or worse:
            named = "ack" if rule == "answer" and results[0] not in ("better", "worse") else rule
            return Pair(fewer if better else more, named, comparisons)
    return Pair(fewer, "unknown" if answer.result == "unknown" else "draw", comparisons)


def compare(measure: str, wanted: str, path: tuple[str, Times], against: tuple[str, Times]) -> Comparison:
    """Whether the first was sooner than the second, at the highest quantile up to `wanted` that both know."""
    known = [of.judged(times, wanted) for _, times in (path, against)]
    if known[0] is None or known[1] is None:
        return Comparison(measure, "", path[0], against[0], None, None, None, "unknown")
    quantile = min(known[0][0], known[1][0])  # p50 before p95 before p99
    left, right = (getattr(times, quantile) for _, times in (path, against))
    return _differ(measure, quantile, (path[0], left), (against[0], right))


def _by_bound(measured: Comparison, bound: float) -> Result:
    """The result where one of the two keeps the bound and the difference is real; else a draw."""
    if measured.value is None or measured.other is None or (measured.value <= bound) == (measured.other <= bound):
        return "draw"
    return measured.result


def _differ(measure: str, quantile: str, path: tuple[str, Figure], against: tuple[str, Figure]) -> Comparison:
    (name, left), (other, right) = path, against
    if left.value is None or right.value is None:
        return Comparison(measure, quantile, name, other, left.value, right.value, None, "unknown")
    needed = needed_difference(left, right, percent=measure == "undone")
    real = abs(left.value - right.value) > needed and not _overlap(left, right)
    result: Result = "draw" if not real else "better" if left.value < right.value else "worse"
    return Comparison(measure, quantile, name, other, left.value, right.value, round(needed, 3), result)


def needed_difference(left: Figure, right: Figure, percent: bool = False) -> float:
    """How far apart two figures must be to count as different."""
    larger = max(left.value or 0.0, right.value or 0.0)
    noticed = NOTICED_PERCENT if percent else max(NOTICED_MS, NOTICED_SHARE * larger)
    if left.spread is None or right.spread is None:
        return noticed if percent else max(noticed, ALONE * larger)
    repeats = min(sum(each is not None for each in figure.repeats) for figure in (left, right))
    return max(noticed, max(left.spread, right.spread) * TIMES_SPREAD.get(repeats, 1.0))


def _overlap(left: Figure, right: Figure) -> bool:
    """Whether a repeat of the one lies among those of the other, or their samples leave both in one place."""
    return _meet((left.low, left.high), (right.low, right.high)) or _meet(
        (left.least, left.most), (right.least, right.most)
    )


def _meet(left: tuple[float | None, float | None], right: tuple[float | None, float | None]) -> bool:
    (low, high), (least, most) = left, right
    if low is None or high is None or least is None or most is None:
        return False
    return low <= most and least <= high
