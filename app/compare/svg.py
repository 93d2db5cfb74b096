"""Pieces of a plot: along the page everything is placed in percent, down the page in pixels.

So a plot stretches with the page while its text keeps its size, on a phone and on paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from zlib import crc32

from markupsafe import Markup, escape

LEFT, WIDTH = 1.5, 95.0  # percent that a scale takes
LOG = 40  # a scale whose ends are further apart than this is logarithmic
AXIS = 26  # pixels below a plot
MARKS = {
    "simple": "M0-5A5 5 0 1 1 0 5 5 5 0 1 1 0-5Z",
    "queued": "M0-6 6 0 0 6-6 0Z",
    "auto": "M-4.5-4.5H4.5V4.5H-4.5Z",
    "plain": "M0-5.5 5.5 4.5H-5.5Z",
}
KINDS = 6  # patterns there are


class Scale:
    """Where a value stands along the page, and where the ticks are."""

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


def ours(text: str) -> Markup:
    """Text that we wrote, or whose foreign pieces are escaped: it goes into the page as it is."""
    return Markup(text)  # noqa: S704 - see above


def drawing(title: str, description: str, height: float, body: Sequence[str]) -> Markup:
    """A whole plot, with its title and its figures in words for those who do not see it."""
    id = f"plot-{crc32(title.encode()):x}"
    return ours(
        f'<svg class="plot" role="img" width="100%" height="{height:g}" aria-labelledby="{id}t {id}d">'
        f'<title id="{id}t">{escape(title)}</title><desc id="{id}d">{escape(description)}</desc>'
        f"{''.join(body)}</svg>"
    )


def axis(scale: Scale, height: float, words: Callable[[float], str]) -> str:
    """Hair lines down the page, and below them what they stand for."""
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
    """The mark of a variant: a shape of its own, so that colour is not all that tells it."""
    shape = MARKS.get(name, MARKS["auto"])
    return f'<svg x="{x}" y="{y:g}" overflow="visible"><path class="mark {escape(name)} {kind}" d="{shape}"/></svg>'


def segment(kind: int, left: float, width: float, y: float, height: float) -> str:
    """A piece of a bar, percent along the page; `kind` gives its tone and its hatching."""
    place = f'x="{left:.3f}%" width="{width:.3f}%" y="{y:g}" height="{height:g}"'
    return f'<rect class="kind{kind}" {place}/><rect fill="url(#hatch{kind})" {place}/>'


def hatches() -> Markup:
    """The patterns of all bars on a page: needed once."""
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
    return ours(f'<svg width="0" height="0" aria-hidden="true" class="patterns"><defs>{patterns}</defs></svg>')


def legend(kinds: Sequence[tuple[int, str]]) -> Markup:
    """What the pieces of a bar stand for."""
    items = "".join(
        f'<li><svg width="22" height="12" aria-hidden="true">{segment(which, 0, 100, 0, 12)}</svg>{escape(kind)}</li>'
        for which, kind in kinds
    )
    return ours(f'<ul class="legend">{items}</ul>')


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
