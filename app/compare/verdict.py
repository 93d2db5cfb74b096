"""Which path to take for each task, why, and what it costs, by these rules (docs/compare.md has them for readers).

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

from collections.abc import Hashable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from app.compare import figures as of
from app.compare.figures import bound_words, count, join_words, ms, plural, span
from app.compare.loads import Crossover, find_crossover, relevant
from app.compare.samples import VARIANTS, Figure, Figures, Times, VariantFigures

NOTICED_MS, NOTICED_SHARE = 5.0, 0.05  # smaller differences do not count
NOTICED_PERCENT = 1.0  # of jobs or messages undone
SINGLE_REPEAT_SPREAD = 0.20  # of the larger value, with one repeat
SPREAD_FACTORS = {2: 4.0, 3: 2.0}  # by the number of repeats: few lie close together by chance
FEWER_PARTS = "the path with fewer parts is taken"

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

    task: str
    take: str | None  # None: every path is excluded, or none was measured
    rule: str  # as in Pair; out; alone
    rival: str | None
    comparisons: list[Difference]


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
    chosen = (_choose(task, all_figures, bounds) for task in of.tasks(all_figures))
    return [_verdict(each, all_figures, bounds, machine) for each in chosen]


def groups(found: Sequence[Verdict], all_figures: Figures, bounds: dict[str, Any]) -> list[Group]:
    """The same verdicts, those that are equal together, in the order of their first tasks."""
    turns = {each.task: each.turn.sentence for each in found}
    by_kind: dict[Hashable, list[Choice]] = {}
    for each in found:
        choice = _choose(each.task, all_figures, bounds)
        by_kind.setdefault(_kind(choice, all_figures, bounds), []).append(choice)
    return [
        Group(
            [each.task for each in group],
            group[0].take,
            _reason(group, all_figures, bounds),
            _turns({each.task: turns[each.task] for each in group}),
        )
        for group in by_kind.values()
    ]


def _turns(by_task: dict[str, str]) -> list[str]:
    different = {each for each in by_task.values() if each}
    return sorted(different) if len(different) < 2 else [f"{task}: {said}" for task, said in by_task.items()]


def _verdict(choice: Choice, all_figures: Figures, bounds: dict[str, Any], machine: dict[str, Any]) -> Verdict:
    task, take, why = choice.task, choice.take, _reason([choice], all_figures, bounds)
    if take is None:
        return Verdict(task, None, choice.rule, why, False, Crossover(None, False, ""), "", [], "", [])
    return Verdict(
        task=task,
        take=take,
        rule=choice.rule,
        reason=why,
        keeps=not relevant(task, all_figures[take].broken),
        turn=find_crossover(task, take, all_figures, machine),
        costs=_costs(take, all_figures),
        parts=list(all_figures[take].parts),
        plain=_plain(task, all_figures),
        comparisons=choice.comparisons,
    )


def _choose(task: str, all_figures: Figures, bounds: dict[str, Any]) -> Choice:
    """The path for a task by the rules above."""
    candidates = _fewest_parts_first(all_figures, task)
    sound = [name for name in candidates if not all_figures[name].excluded]
    if not sound:
        return Choice(task, None, "out" if candidates else "alone", None, [])
    take, rival, rule, comparisons = sound[0], None, "", []
    for other in sound[1:]:
        pair = _compare_pair(task, take, other, all_figures, bounds)
        comparisons += pair.comparisons
        if pair.winner == other:
            take, rival, rule = other, take, pair.rule
        elif rival is None:
            rival, rule = other, pair.rule
    if rival is None or (take == sound[0] and candidates[0] != take):
        fallen = next((name for name in candidates if name not in sound), None)
        return Choice(task, take, "out" if fallen else "alone", fallen, comparisons)
    return Choice(task, take, rule, rival, comparisons)


def _fewest_parts_first(all_figures: Figures, task: str) -> list[str]:
    """The paths that ran this task, the one with the fewest parts first."""
    did = [name for name in VARIANTS if name != "plain" and name in all_figures and task in all_figures[name].tasks]
    return sorted(did, key=lambda name: (len(all_figures[name].parts), VARIANTS.index(name)))


def _compare_pair(task: str, fewer: str, more: str, all_figures: Figures, bounds: dict[str, Any]) -> Pair:
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
    needed = _needed_difference(left, right, percent=measure == "undone")
    real = abs(left.value - right.value) > needed and not _overlap(left, right)
    result: Result = "draw" if not real else "better" if left.value < right.value else "worse"
    return Difference(measure, quantile, name, other, left.value, right.value, round(needed, 3), result)


def _needed_difference(left: Figure, right: Figure, percent: bool = False) -> float:
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


def _kind(choice: Choice, all_figures: Figures, bounds: dict[str, Any]) -> Hashable:
    """Equal for tasks that one sentence can be about."""
    if choice.take is None:
        return None, _no_path(choice.task, all_figures)
    broken = tuple((each.what == "ack", each.bound) for each in relevant(choice.task, all_figures[choice.take].broken))
    quantiles = tuple((each.measure, each.quantile) for each in choice.comparisons if each.measure != "undone")
    decided = _deciding_bound(choice, bounds) if choice.rule == "bound" else None
    return choice.take, choice.rival, choice.rule, broken, decided, quantiles


def _reason(group: Sequence[Choice], all_figures: Figures, bounds: dict[str, Any]) -> str:
    """Why this path is taken for these tasks, whose kind is the same, and which bounds it breaks all the same."""
    first = group[0]
    if first.take is None:
        return _no_path(first.task, all_figures)
    said = _why(group, first.take, all_figures, bounds)
    said = said[0].upper() + said[1:]
    if broken := relevant(first.task, all_figures[first.take].broken):
        said += f" It still breaks {join_words([_bound_on(each.what == 'ack', each.bound, group) for each in broken])}."
    return said


def _why(group: Sequence[Choice], take: str, all_figures: Figures, bounds: dict[str, Any]) -> str:  # noqa: PLR0911 # a rule, a sentence
    """The rule that decided, as a sentence."""
    rule, rival = group[0].rule, group[0].rival
    if rival is None:
        return f"Only {take} was measured, so it cannot be compared with another path."
    if rule == "out":
        return f"{rival} is excluded: it {faults(all_figures[rival])}; {take} did not."
    if rule == "undone":
        return f"{take} leaves less undone: {_undone(group, take, all_figures)}, {rival} {_undone(group, rival, all_figures)}."
    if rule == "unknown":
        return f"Too few answers to tell {take} from {rival} ({_samples(group, all_figures)}), so {FEWER_PARTS}."
    known = [_sides(found, take) for found in (_differences(group, each) for each in ("answer", "ack")) if found]
    if rule == "conflict":
        return f"Neither path is better in both: {'; '.join(known)}. That is a draw, so {FEWER_PARTS}."
    if rule == "bound":
        measure, limit = _deciding_bound(group[0], bounds)
        return f"Only {take} keeps {_bound_on(measure == 'ack', limit, group)}: {_sides(_differences(group, measure), take)}."
    if rule in ("answer", "ack"):
        return _sooner(_differences(group, rule), rule, take)
    return f"A draw: {'; '.join(known)}; the difference is within chance, so {FEWER_PARTS}."


def _sooner(found: Sequence[Difference], rule: str, take: str) -> str:
    word = "answers" if rule == "answer" else "acknowledges"
    needed = span([each.needed or 0.0 for each in found], ms)
    return (
        f"{take} {word} sooner: {_sides(found, take)}. This is more than the {needed} from which a difference counts."
    )


def _differences(group: Sequence[Choice], measure: str) -> list[Difference]:
    """One measure of the path taken and its rival, for each task that has it."""
    sides = {group[0].take, group[0].rival}
    return [
        each
        for choice in group
        for each in choice.comparisons
        if each.measure == measure and {each.path, each.against} == sides and each.value is not None
    ]


def _deciding_bound(choice: Choice, bounds: dict[str, Any]) -> tuple[str, float]:
    """The measure whose bound only the path taken keeps, and that bound in ms."""
    for measure, what in (("answer", choice.task), ("ack", "ack")):
        limit = of.bound_ms(bounds, what)
        for each in _differences([choice], measure):
            if each.value is None or each.other is None or each.result == "draw":
                continue
            if (each.value <= limit) != (each.other <= limit):
                return measure, limit
    raise AssertionError(f"no bound tells {choice.take} from {choice.rival}")


def _bound_on(on_acks: bool, limit: float, group: Sequence[Choice]) -> str:
    answers = f"answers of {group[0].task}" if len(group) == 1 else "their answers"
    return f"the bound of {bound_words(limit)} on {'acks' if on_acks else answers}"


def _sides(found: Sequence[Difference], take: str) -> str:
    """p95 of answers is 44 ms on simple and 90 to 95 ms on queued, the path taken first."""
    first = found[0]
    mine, other = (first.path, first.against) if first.path == take else (first.against, first.path)
    values = {
        name: span([(each.value if each.path == name else each.other) or 0.0 for each in found], ms)
        for name in (mine, other)
    }
    noun = "answers" if first.measure == "answer" else "acks"
    return f"{first.quantile} of {noun} is {values[mine]} on {mine} and {values[other]} on {other}"


def _undone(group: Sequence[Choice], path: str, all_figures: Figures) -> str:
    variant = all_figures[path]
    jobs = span([round(variant.tasks[each.task].undone.value or 0.0, 1) for each in group], count)
    return f"{jobs} % of jobs and {count(round(variant.refused.value or 0.0, 1))} % of messages"


def _samples(group: Sequence[Choice], all_figures: Figures) -> str:
    paths = _fewest_parts_first(all_figures, group[0].task)
    answers = {path: [all_figures[path].tasks[each.task].answer.n for each in group] for path in paths}
    return join_words([f"{span(numbers, count)} on {path}" for path, numbers in answers.items()])


def faults(variant: VariantFigures) -> str:
    """What a path did wrong: lost 1 and doubled 2."""
    counted = {"lost": variant.lost, "doubled": variant.doubled, "disordered": variant.disordered}
    return join_words([f"{word} {number:,}" for word, number in counted.items() if number]) or "broke nothing"


def _no_path(task: str, all_figures: Figures) -> str:
    bad = [
        f"{path} {faults(all_figures[path])}"
        for path in _fewest_parts_first(all_figures, task)
        if all_figures[path].excluded
    ]
    if not bad:
        return "No path that can be recommended was measured; plain is only the baseline."
    return f"Every path broke a promise: {join_words(bad)}. Find the cause before you choose a path."


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
