"""The plots of a report. Each says its figures in words as well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup, escape

from app.compare.measures import Figure, LoadFigures, Times
from app.compare.samples import Run
from app.compare.svg import (
    AXIS,
    LEFT,
    WIDTH,
    Scale,
    axis,
    drawing,
    heading,
    legend,
    line,
    mark,
    ours,
    polyline,
    segment,
    stretched,
)
from app.compare.words import count, ms, series

ROW, BAR, PANEL, FIELD = 52, 44, 96, 60  # pixels
BINS = 200  # of a time line
NOTHING = Markup('<p class="none">Nothing was measured.</p>')


def dots(title: str, rows: Mapping[str, Times], bound: float | None = None) -> Markup:
    """p50, p95 and p99 in ms of each variant on one scale; under each mark a bar from its lowest repeat to its highest."""
    known = {name: _known(times) for name, times in rows.items()}
    reach = [
        value for each in known.values() for _, f in each for value in (f.value, f.low, f.high) if value is not None
    ]
    if not reach:
        return NOTHING
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
    said += "" if bound is None else f". The bound is {ms(bound)}"
    return drawing(title, f"{said}. {'The scale is logarithmic.' if scale.logarithmic else ''}", height + AXIS, body)


def bars(title: str, rows: Mapping[str, Mapping[str, float]], unit: str, kinds: Sequence[str]) -> Markup:
    """One bar for each variant, made of its pieces; the order of `kinds` fixes how each looks."""
    most = max((sum(row.values()) for row in rows.values()), default=0.0)
    if most <= 0:
        return NOTHING
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
        return NOTHING
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
        return NOTHING
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
    return drawing(title, f"{'; '.join(said)}. The bound is {ms(bound)}.", height + AXIS, body) + marks(points)


def marks(names: Iterable[str]) -> Markup:
    """Which mark is whose."""
    items = "".join(
        f'<li><svg width="14" height="14" aria-hidden="true">{mark(name, "7", 7, "p50")}</svg>{escape(name)}</li>'
        for name in names
    )
    return ours(f'<ul class="legend">{items}</ul>')


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
    """p50, p95 and p99: 12 · 30 · 44 ms, with a dash for a quantile of too few samples."""
    return series([times.p50.value, times.p95.value, times.p99.value])


def _points(loads: Sequence[LoadFigures]) -> list[tuple[float, float]]:
    found = [(load.factor, load.ack.p99.value or load.ack.p95.value or load.ack.p50.value) for load in loads]
    return [(factor, value) for factor, value in found if value is not None]


def _unfinished(run: Run, end: float) -> list[int]:
    """How many jobs were due and not yet answered, the most within each bin."""
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
    return bins


def _last(run: Run) -> float:
    return max([run.seconds, *(job.final for job in run.jobs if job.final is not None)])


def _peak(lines: list[list[int]]) -> int:
    return max((value for found in lines for value in found), default=0)
