"""Which path to take for each task, by these rules (docs/compare.md has them for readers).

1. A path that lost, doubled or disordered anything in any run is excluded. `plain` is measured and never recommended:
   it loses its jobs at every restart.
2. The others are compared in pairs, from the fewest parts to the most. The path with more parts must win; everything
   else is a draw, and a draw goes to the path with fewer parts.
3. The first of these that tells the two apart decides:
   bound    only one keeps the task's bound on answers (p95) and the bound on acks (p99);
   undone   one leaves more jobs or messages undone: failed, cancelled, skipped, refused;
   answer   one answers sooner (p95), unless the other acknowledges sooner (p99), which is a draw;
   ack      one acknowledges sooner, likewise.
4. Two values differ when their ranges over the repeats do not overlap, when their 95 % confidence intervals do not
   overlap (binomial order statistics: Hahn and Meeker, Statistical Intervals, 1991, chapter 5), and when they are
   further apart than the larger spread between repeats: four times that with two repeats, twice with three, since
   few repeats lie close together by chance (tests/compare/test_verdict.py measures that). With one repeat, 20 % of
   the larger value stands for the spread. A difference below 5 ms, 5 %, or one percent of the jobs never counts.
5. With too few samples for a quantile the next lower one is compared, on both paths.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from app.compare import figures as of
from app.compare.samples import VARIANTS, Figure, Figures, Times

NOTICED_MS, NOTICED_SHARE = 5.0, 0.05  # smaller differences do not count
NOTICED_PERCENT = 1.0  # of jobs or messages undone
SINGLE_REPEAT_SPREAD = 0.20  # of the larger value, with one repeat
SPREAD_FACTORS = {2: 4.0, 3: 2.0}  # by the number of repeats: few lie close together by chance

Result = Literal["better", "worse", "draw", "unknown"]


class Difference(msgspec.Struct, frozen=True):
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
    """The comparison of two paths for one task."""

    winner: str
    rule: str  # bound, undone, answer, ack, conflict, draw or unknown
    comparisons: list[Difference]


class Choice(NamedTuple):
    """The path for one task, and the other one it was compared with."""

    take: str | None  # None: every path is excluded, or none was measured
    rule: str  # as in Pair; out; alone
    rival: str | None
    comparisons: list[Difference]


def choose(task: str, all_figures: Figures, bounds: dict[str, Any]) -> Choice:
    """The path for a task by the rules above."""
    candidates = fewest_parts_first(all_figures, task)
    sound = [name for name in candidates if not all_figures[name].excluded]
    if not sound:
        return Choice(None, "out" if candidates else "alone", None, [])
    take, rival, rule, comparisons = sound[0], None, "", []
    for other in sound[1:]:
        pair = compare_pair(task, take, other, all_figures, bounds)
        comparisons += pair.comparisons
        if pair.winner == other:
            take, rival, rule = other, take, pair.rule
        elif rival is None:
            rival, rule = other, pair.rule
    if rival is None or (take == sound[0] and candidates[0] != take):
        fallen = next((name for name in candidates if name not in sound), None)
        return Choice(take, "out" if fallen else "alone", fallen, comparisons)
    return Choice(take, rule, rival, comparisons)


def fewest_parts_first(all_figures: Figures, task: str) -> list[str]:
    """The paths that ran this task, the one with the fewest parts first."""
    did = [name for name in VARIANTS if name != "plain" and name in all_figures and task in all_figures[name].tasks]
    return sorted(did, key=lambda name: (len(all_figures[name].parts), VARIANTS.index(name)))


def compare_pair(task: str, fewer: str, more: str, all_figures: Figures, bounds: dict[str, Any]) -> Pair:
    """Compare two paths; a draw goes to `fewer`, which has no more parts than the other."""
    left, right = all_figures[fewer], all_figures[more]
    answer = compare("answer", "p95", (fewer, left.tasks[task].answer), (more, right.tasks[task].answer))
    ack = compare("ack", "p99", (fewer, left.ack), (more, right.ack))
    undone = [
        _difference("undone", "", (fewer, left.tasks[task].undone), (more, right.tasks[task].undone)),
        _difference("undone", "", (fewer, left.refused), (more, right.refused)),
    ]
    rules = [
        ("bound", [_by_bound(answer, of.bound_ms(bounds, task)), _by_bound(ack, of.bound_ms(bounds, "ack"))]),
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


def compare(measure: str, wanted: str, path: tuple[str, Times], against: tuple[str, Times]) -> Difference:
    """Whether the first was sooner than the second, at the highest quantile up to `wanted` that both have."""
    known = [of.highest_known_quantile(times, wanted) for _, times in (path, against)]
    if known[0] is None or known[1] is None:
        return Difference(measure, "", path[0], against[0], None, None, None, "unknown")
    quantile = min(known[0][0], known[1][0])  # p50 before p95 before p99
    left, right = (getattr(times, quantile) for _, times in (path, against))
    return _difference(measure, quantile, (path[0], left), (against[0], right))


def _by_bound(measured: Difference, bound: float) -> Result:
    """The result where only one of the two keeps the bound and they differ; else a draw."""
    if measured.value is None or measured.other is None or (measured.value <= bound) == (measured.other <= bound):
        return "draw"
    return measured.result


def _difference(measure: str, quantile: str, path: tuple[str, Figure], against: tuple[str, Figure]) -> Difference:
    (name, left), (other, right) = path, against
    if left.value is None or right.value is None:
        return Difference(measure, quantile, name, other, left.value, right.value, None, "unknown")
    needed = needed_difference(left, right, percent=measure == "undone")
    real = abs(left.value - right.value) > needed and not _overlap(left, right)
    result: Result = "draw" if not real else "better" if left.value < right.value else "worse"
    return Difference(measure, quantile, name, other, left.value, right.value, round(needed, 3), result)


def needed_difference(left: Figure, right: Figure, percent: bool = False) -> float:
    """How far apart two figures must be to differ."""
    larger = max(left.value or 0.0, right.value or 0.0)
    noticed = NOTICED_PERCENT if percent else max(NOTICED_MS, NOTICED_SHARE * larger)
    if left.spread is None or right.spread is None:
        return noticed if percent else max(noticed, SINGLE_REPEAT_SPREAD * larger)
    repeats = min(sum(each is not None for each in figure.repeats) for figure in (left, right))
    return max(noticed, max(left.spread, right.spread) * SPREAD_FACTORS.get(repeats, 1.0))


def _overlap(left: Figure, right: Figure) -> bool:
    """Whether the ranges over the repeats, or the confidence intervals, overlap."""
    return _ranges_overlap((left.low, left.high), (right.low, right.high)) or _ranges_overlap(
        (left.least, left.most), (right.least, right.most)
    )


def _ranges_overlap(left: tuple[float | None, float | None], right: tuple[float | None, float | None]) -> bool:
    (low, high), (least, most) = left, right
    if low is None or high is None or least is None or most is None:
        return False
    return low <= most and least <= high
