"""The plots of a report, as SVG: along the page everything is placed in percent, down the page in pixels.

So a plot stretches with the page while its text keeps its size, on a phone and on paper. Each plot also says its
figures in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from zlib import crc32

from markupsafe import Markup, escape

from app.compare.figures import bound_words, count, ms
from app.compare.samples import Figure, LoadFigures, Run, Times

LEFT, WIDTH = 1.5, 95.0  # percent that a scale takes
LOG = 40  # a scale whose ends are further apart than this is logarithmic
AXIS = 26  # pixels below a plot
MARKS = {
    "simple": "M0-5A5 5 0 1 1 0 5 5 5 0 1 1 0-5Z",
    "queued": "M0-6 6 0 0 6-6 0Z",
    "auto": "M-4.5-4.5H4.5V4.5H-4.5Z",
    "plain": "M0-5.5 5.5 4.5H-5.5Z",
}
ROW, BAR, PANEL, FIELD = 52, 44, 96, 60  # pixels
BINS = 200  # on a time line
NOTHING_MEASURED = Markup('<p class="none">Nothing was measured.</p>')
KINDS = 6  # of pieces of a bar that have a pattern of their own


class Scale:
    """Maps values to positions along the page, and chooses the ticks."""

    def __init__(self, values: Sequence[float], exact: bool = False) -> None:
        """A scale that holds all values; an exact one is linear and ends at the largest of them."""
        positive = [value for value in values if value > 0] or [1.0]
        self.logarithmic = not exact and max(positive) / min(positive) > LOG
        if self.logarithmic:
            self._low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
            self._decades = max(1, high - self._low)
            self.ticks = [10.0**power for power in range(self._low, high + 1)]
        else:
            step = _nice(max(positive) / 4)
            steps = math.floor(max(positive) / step + 1e-9) if exact else math.ceil(max(positive) / step - 1e-9)
            self.ticks = [step * number for number in range(steps + 1)]
            self._most = max(positive) if exact else self.ticks[-1]

    def share(self, value: float) -> float:
        """From 0, at the left, to 1."""
        if not self.logarithmic:
            share = value / self._most
        else:
            share = (math.log10(value) - self._low) / self._decades if value > 0 else 0.0
        return min(1.0, max(0.0, share))

    def at(self, value: float) -> str:
        """As a length along the page."""
        return f"{LEFT + WIDTH * self.share(value):.2f}%"


def trusted(text: str) -> Markup:
    """Mark text as safe markup; only for text of our own, or with everything else in it escaped."""
    return Markup(text)  # noqa: S704 - see above  # nosec B704


def drawing(title: str, description: str, height: float, body: Sequence[str]) -> Markup:
    """A whole plot, with its title and its figures in words for those who do not see it."""
    id = f"plot-{crc32(title.encode()):x}"
    return trusted(
        f'<svg class="plot" role="img" width="100%" height="{height:g}" aria-labelledby="{id}t {id}d">'
        f'<title id="{id}t">{escape(title)}</title><desc id="{id}d">{escape(description)}</desc>'
        f"{''.join(body)}</svg>"
    )


def axis(scale: Scale, height: float, words: Callable[[float], str]) -> str:
    """Vertical lines at the ticks, with their values below."""
    out = []
    for number, tick in enumerate(scale.ticks):
        anchor = "start" if number == 0 else "end" if scale.share(tick) > 0.97 else "middle"
        x = scale.at(tick)
        out.append(f'<line class="hair" x1="{x}" x2="{x}" y1="0" y2="{height:g}"/>')
        out.append(
            f'<text class="tick" x="{x}" y="{height + 16:g}" text-anchor="{anchor}">{escape(words(tick))}</text>'
        )
    return "".join(out)


def heading(name: str, figure: str, y: float) -> str:
    """A row's name at the left and its figures at the right."""
    return (
        f'<text class="name" x="0" y="{y:g}">{escape(name)}</text>'
        f'<text class="figure" x="100%" y="{y:g}" text-anchor="end">{escape(figure)}</text>'
    )


def line(kind: str, x1: str, y1: float, x2: str, y2: float) -> str:
    """A straight line."""
    return f'<line class="{escape(kind)}" x1="{x1}" y1="{y1:g}" x2="{x2}" y2="{y2:g}"/>'


def mark(name: str, x: str, y: float, kind: str) -> str:
    """The mark of a variant: a shape of its own, so that variants differ not only in colour."""
    shape = MARKS.get(name, MARKS["auto"])
    return f'<svg x="{x}" y="{y:g}" overflow="visible"><path class="mark {escape(name)} {kind}" d="{shape}"/></svg>'


def segment(kind: int, left: float, width: float, y: float, height: float) -> str:
    """A piece of a bar, percent along the page; `kind` gives its tone and its hatching."""
    place = f'x="{left:.3f}%" width="{width:.3f}%" y="{y:g}" height="{height:g}"'
    return f'<rect class="kind{kind}" {place}/><rect fill="url(#hatch{kind})" {place}/>'


def hatches() -> Markup:
    """The patterns of all bars; a page must contain them once."""
    lines = [
        "",
        '<path d="M0 8 8 0" class="hatch"/>',
        '<circle cx="3" cy="3" r="1.3" class="speck"/>',
        '<path d="M0 4H8" class="hatch"/>',
        '<path d="M0 0 8 8M0 8 8 0" class="hatch"/>',
        '<path d="M4 0V8" class="hatch"/>',
    ]
    patterns = "".join(
        f'<pattern id="hatch{number}" width="8" height="8" patternUnits="userSpaceOnUse">{each}</pattern>'
        for number, each in enumerate(lines)
    )
    return trusted(f'<svg width="0" height="0" aria-hidden="true" class="patterns"><defs>{patterns}</defs></svg>')


def legend(kinds: Sequence[tuple[int, str]]) -> Markup:
    """The legend of the pieces of a bar."""
    items = "".join(
        f'<li><svg width="22" height="12" aria-hidden="true">{segment(which, 0, 100, 0, 12)}</svg>{escape(kind)}</li>'
        for which, kind in kinds
    )
    return trusted(f'<ul class="legend">{items}</ul>')


def polyline(points: Sequence[tuple[float, float]]) -> str:
    """A line through points from 0 to 1, along and up."""
    at = " ".join(f"{1000 * x:.0f},{100 - 100 * y:.1f}" for x, y in points)
    return f'<polyline points="{at}" vector-effect="non-scaling-stroke"/>'


def stretched(kind: str, y: float, height: float, body: Sequence[str]) -> str:
    """A field in which polylines stretch with the page."""
    return (
        f'<svg class="{escape(kind)}" x="{LEFT}%" width="{WIDTH}%" y="{y:g}" height="{height:g}" '
        f'viewBox="0 0 1000 100" preserveAspectRatio="none">{"".join(body)}</svg>'
    )


def _nice(step: float) -> float:
    """The next larger of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999999)


def dots(title: str, rows: Mapping[str, Times], bound: float | None = None) -> Markup:
    """p50, p95 and p99 in ms of each variant on one scale; under each mark a bar from its lowest repeat to its highest."""
    known = {name: _known(times) for name, times in rows.items()}
    reach = [
        value for each in known.values() for _, f in each for value in (f.value, f.low, f.high) if value is not None
    ]
    if not reach:
        return NOTHING_MEASURED
    if bound is not None and bound > 1.6 * max(reach):
        bound = None  # too far off to be shown on this scale
    scale = Scale([*reach, *([] if bound is None else [bound])])
    height = ROW * len(rows)
    body = [axis(scale, height, ms)]
    if bound is not None:
        body.append(line("bound", scale.at(bound), 0, scale.at(bound), height))
    for number, (name, times) in enumerate(rows.items()):
        body.append(_dots(number * ROW, name, times, known[name], scale))
    said = "; ".join(f"{name}: {values(times)}, {times.n:,} samples" for name, times in rows.items())
    said += "" if bound is None else f". The bound is {bound_words(bound)}"
    return drawing(title, f"{said}. {'The scale is logarithmic.' if scale.logarithmic else ''}", height + AXIS, body)


def bars(title: str, rows: Mapping[str, Mapping[str, float]], unit: str, kinds: Sequence[str]) -> Markup:
    """One bar for each variant, made of its pieces; the order of `kinds` fixes how each looks."""
    most = max((sum(row.values()) for row in rows.values()), default=0.0)
    if most <= 0:
        return NOTHING_MEASURED
    body = []
    for number, (name, row) in enumerate(rows.items()):
        body.append(heading(name, f"{count(round(sum(row.values()), 2))} {unit}", number * BAR + 13))
        left = 0.0
        for which, kind in enumerate(kinds):
            width = 100 * row.get(kind, 0.0) / most
            if width > 0:
                body.append(segment(which, left, max(0.5, width), number * BAR + 20, 15))
            left += width
    said = [
        f"{name}: " + ", ".join(f"{kind} {count(round(row[kind], 2))}" for kind in row) for name, row in rows.items()
    ]
    present = [(which, kind) for which, kind in enumerate(kinds) if any(row.get(kind) for row in rows.values())]
    return drawing(title, f"{'; '.join(said)} ({unit}).", BAR * len(rows), body) + legend(present)


def timeline(title: str, by_variant: Mapping[str, Sequence[Run]]) -> Markup:
    """Jobs due and not yet answered, over time: a panel for each variant, a line for each repeat, one scale for all."""
    runs = [run for each in by_variant.values() for run in each]
    end = max((_last(run) for run in runs), default=0.0)
    lines = {name: [_unfinished(run, end) for run in each] for name, each in by_variant.items()}
    most = max((value for each in lines.values() for found in each for value in found), default=0)
    if not most or not end:
        return NOTHING_MEASURED
    scale, load = Scale([end], exact=True), max(run.seconds for run in runs)
    height = PANEL * len(lines)
    body = [axis(scale, height - 8, lambda tick: f"{tick:g} s")]
    for number, (name, each) in enumerate(lines.items()):
        body.append(heading(name, f"at most {_peak(each):,}", number * PANEL + 13))
        top = number * PANEL + 22
        body.append(
            f'<rect class="load" x="{LEFT}%" width="{WIDTH * scale.share(load):.2f}%" y="{top}" height="{FIELD}"/>'
        )
        full = [[(at / BINS, value / most) for at, value in enumerate(found)] for found in each]
        body.append(stretched(f"lines {name}", top, FIELD, [polyline(points) for points in full]))
    said = "; ".join(f"{name}: at most {_peak(each):,}" for name, each in lines.items())
    return drawing(title, f"{said} at once. Load arrives for {load:g} s.", height + AXIS, body)


def steps(title: str, by_variant: Mapping[str, Sequence[LoadFigures]], bound: float) -> Markup:
    """The slowest acks at each load that was tried, a line and a mark of its own for each variant."""
    points = {name: sorted(_points(loads)) for name, loads in by_variant.items()}
    every = [point for each in points.values() for point in each]
    if not every:
        return NOTHING_MEASURED
    along, up, height = (
        Scale([factor for factor, _ in every], exact=True),
        Scale([*(value for _, value in every), bound]),
        200,
    )
    body = [axis(along, height, lambda tick: f"{tick:g}×")]

    def y(value: float) -> float:
        return round(height - (height - 16) * up.share(value), 1)

    for tick in up.ticks:
        body.append(line("hair", f"{LEFT}%", y(tick), "100%", y(tick)))
        body.append(f'<text class="tick" x="{LEFT}%" dx="4" y="{y(tick) - 4:g}">{ms(tick) if tick else ""}</text>')
    body.append(line("bound", f"{LEFT}%", y(bound), "100%", y(bound)))
    for name, each in points.items():
        for (x1, y1), (x2, y2) in pairwise(each):
            body.append(line(f"path {name}", along.at(x1), y(y1), along.at(x2), y(y2)))
        body += [mark(name, along.at(factor), y(value), "p50") for factor, value in each]
    said = [
        f"{name}: " + ", ".join(f"{ms(value)} at {factor:g} times the load" for factor, value in each)
        for name, each in points.items()
    ]
    return drawing(title, f"{'; '.join(said)}. The bound is {bound_words(bound)}.", height + AXIS, body) + marks(points)


def marks(names: Iterable[str]) -> Markup:
    """The legend of the variants' marks."""
    items = "".join(
        f'<li><svg width="14" height="14" aria-hidden="true">{mark(name, "7", 7, "p50")}</svg>{escape(name)}</li>'
        for name in names
    )
    return trusted(f'<ul class="legend">{items}</ul>')


def _dots(top: int, name: str, times: Times, known: list[tuple[str, Figure]], scale: Scale) -> str:
    out = [heading(name, values(times), top + 14)]
    places = [figure.value or 0.0 for _, figure in known]
    if places:
        out.append(line(f"range {name}", scale.at(min(places)), top + 30, scale.at(max(places)), top + 30))
    for quantile, figure in known:
        if figure.low is not None and figure.high is not None:
            out.append(line(f"spread {name}", scale.at(figure.low), top + 41, scale.at(figure.high), top + 41))
        out.append(mark(name, scale.at(figure.value or 0.0), top + 30, quantile))
    return "".join(out)


def _known(times: Times) -> list[tuple[str, Figure]]:
    return [(name, each) for name in ("p99", "p95", "p50") if (each := getattr(times, name)).value is not None]


def values(times: Times) -> str:
    """p50, p95 and p99 side by side in one unit: 12 · 30 · 44 ms; a dash for a quantile of too few samples."""
    each = [times.p50.value, times.p95.value, times.p99.value]
    known = [value for value in each if value is not None]
    if not known:
        return "–"
    unit, size = ("ms", 1.0) if max(known) < 999.5 else ("s", 1000.0)
    return " · ".join("–" if value is None else _short(value / size) for value in each) + f" {unit}"


def _short(value: float) -> str:
    if value >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"


def _points(loads: Sequence[LoadFigures]) -> list[tuple[float, float]]:
    found = [(load.factor, load.ack.p99.value or load.ack.p95.value or load.ack.p50.value) for load in loads]
    return [(factor, value) for factor, value in found if value is not None]


def _unfinished(run: Run, end: float) -> list[int]:
    """How many jobs were due and not yet answered, the most within each bin; it ends where the run itself ended."""
    moments = [(job.asked, 1) for job in run.jobs] + [(job.final, -1) for job in run.jobs if job.final is not None]
    bins, now, at = [0] * (BINS + 1), 0, 0
    for moment, change in sorted(moments):
        bin = min(BINS, int(BINS * moment / end))
        for passed in range(at + 1, bin + 1):
            bins[passed] = now
        now, at = now + change, bin
        bins[bin] = max(bins[bin], now)
    for passed in range(at + 1, BINS + 1):
        bins[passed] = now
    return bins[: min(BINS, math.ceil(BINS * _last(run) / end)) + 1] if end else bins


def _last(run: Run) -> float:
    return max([run.seconds, *(job.final for job in run.jobs if job.final is not None)])


def _peak(lines: list[list[int]]) -> int:
    return max((value for found in lines for value in found), default=0)
