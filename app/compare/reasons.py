"""Why a path is taken, in a sentence or two, for one task or for several whose verdicts are equal."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from app.compare import figures as of
from app.compare.loads import relevant
from app.compare.samples import Broken, Figures, VariantFigures
from app.compare.verdict import Choice, Difference, choose, fewest_parts_first
from app.compare.wording import bound_words, count, join_words, ms, span

FEWER_PARTS = "the path with fewer parts is taken"


class Judged(NamedTuple):
    """A task with the path that the rules chose for it, and the bounds which that path breaks."""

    task: str
    choice: Choice
    broken: list[Broken]


def judge(task: str, all_figures: Figures, bounds: dict[str, Any]) -> Judged:
    """Apply the rules of the verdict to one task."""
    choice = choose(task, all_figures, bounds)
    return Judged(task, choice, relevant(task, all_figures[choice.take].broken) if choice.take else [])


def kind(judged: Judged, all_figures: Figures, bounds: dict[str, Any]) -> Hashable:
    """Equal for tasks that one sentence can be about."""
    choice = judged.choice
    if choice.take is None:
        return None, _no_path(judged.task, all_figures)
    broken = tuple((each.what == "ack", each.bound) for each in judged.broken)
    quantiles = tuple((each.measure, each.quantile) for each in choice.comparisons if each.measure != "undone")
    decided = _deciding_bound(judged, bounds) if choice.rule == "bound" else None
    return choice.take, choice.rival, choice.rule, broken, decided, quantiles


def reason(group: Sequence[Judged], all_figures: Figures, bounds: dict[str, Any]) -> str:
    """Why this path is taken for these tasks, whose kind is the same, and which bounds it breaks all the same."""
    choice = group[0].choice
    if choice.take is None:
        return _no_path(group[0].task, all_figures)
    said = _why(group, choice.take, all_figures, bounds)
    said = said[0].upper() + said[1:]
    if group[0].broken:
        broken = [_bound_on(each.what == "ack", each.bound, group) for each in group[0].broken]
        said += f" It still breaks {join_words(broken)}."
    return said


def _why(group: Sequence[Judged], take: str, all_figures: Figures, bounds: dict[str, Any]) -> str:  # noqa: PLR0911 # a rule, a sentence
    """The rule that decided, as a sentence."""
    rule, rival = group[0].choice.rule, group[0].choice.rival
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


def _differences(group: Sequence[Judged], measure: str) -> list[Difference]:
    """One measure of the path taken and its rival, for each task that has it."""
    sides = {group[0].choice.take, group[0].choice.rival}
    return [
        each
        for judged in group
        for each in judged.choice.comparisons
        if each.measure == measure and {each.path, each.against} == sides and each.value is not None
    ]


def _deciding_bound(judged: Judged, bounds: dict[str, Any]) -> tuple[str, float]:
    """The measure whose bound only the path taken keeps, and that bound in ms."""
    for measure, what in (("answer", judged.task), ("ack", "ack")):
        limit = of.bound_ms(bounds, what)
        for each in _differences([judged], measure):
            if each.value is None or each.other is None or each.result == "draw":
                continue
            if (each.value <= limit) != (each.other <= limit):
                return measure, limit
    raise AssertionError(f"no bound tells {judged.choice.take} from {judged.choice.rival}")


def _bound_on(on_acks: bool, limit: float, group: Sequence[Judged]) -> str:
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


def _undone(group: Sequence[Judged], path: str, all_figures: Figures) -> str:
    variant = all_figures[path]
    jobs = span([round(variant.tasks[each.task].undone.value or 0.0, 1) for each in group], count)
    return f"{jobs} % of jobs and {count(round(variant.refused.value or 0.0, 1))} % of messages"


def _samples(group: Sequence[Judged], all_figures: Figures) -> str:
    return join_words(
        [
            f"{span([all_figures[path].tasks[each.task].answer.n for each in group], count)} on {path}"
            for path in fewest_parts_first(all_figures, group[0].task)
        ]
    )


def faults(variant: VariantFigures) -> str:
    """What a path did wrong: lost 1 and doubled 2."""
    counted = {"lost": variant.lost, "doubled": variant.doubled, "disordered": variant.disordered}
    return join_words([f"{word} {number:,}" for word, number in counted.items() if number]) or "broke nothing"


def _no_path(task: str, all_figures: Figures) -> str:
    bad = [
        f"{path} {faults(all_figures[path])}"
        for path in fewest_parts_first(all_figures, task)
        if all_figures[path].excluded
    ]
    if not bad:
        return "No path that can be recommended was measured; plain is only the baseline."
    return f"Every path broke a promise: {join_words(bad)}. Find the cause before you choose a path."
