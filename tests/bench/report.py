"""What was measured as JSON, as a Markdown table, and judged against what must be reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tests.bench.figures import spread
from tests.bench.rows import Line, Row

Measured = Mapping[str, Sequence[Mapping[str, float]]]  # the figures of each repetition, by side
HEADER = ("work", "Spillway", "a second", "beside it, same run", "times", "must reach", "load of server, generator")
SCREEN = ("work", "who", "median", "low to high", "a second", "server", "generator", "times", "must reach")


def row_as_json(row: Row, measured: Measured, failed: Mapping[str, str]) -> dict[str, Any]:
    """One row with the spread of every figure on every side, and its lines."""
    sides = {
        side: {figure: asdict(spread([each[figure] for each in repeats])) for figure in repeats[0]}
        for side, repeats in measured.items()
        if repeats
    }
    return {
        "row": row.name,
        "sides": sides,
        "failed": dict(failed),
        "lines": [_line_as_json(line, row, sides) for line in row.lines],
    }


def _line_as_json(line: Line, row: Row, sides: Mapping[str, Any]) -> dict[str, Any]:
    ours = _value(line, sides, row.sides[0].name)
    peer = _value(line, sides, row.sides[1].name) if len(row.sides) > 1 else None
    times = ours / peer if ours is not None and peer else None
    return {
        "title": line.title,
        "figure": line.figure,
        "unit": line.unit,
        "worst": line.worst,
        "value": ours,
        "peer": row.sides[1].name if len(row.sides) > 1 else None,
        "times_peer": times,
        "must": must(line, row.sides[1].name if len(row.sides) > 1 else "the peer"),
        "reached": None if ours is None else reached(line, ours, peer),
    }


def _value(line: Line, sides: Mapping[str, Any], side: str) -> float | None:
    if side not in sides or line.figure not in sides[side]:
        return None
    value: float = sides[side][line.figure]["high" if line.worst else "median"]
    return value


def must(line: Line, peer: str) -> str:
    """What this line must reach, in words; empty when nothing is asked of it. `peer` is the first of them."""
    words = []
    if line.at_least_times is not None:
        words.append(f"at least {line.at_least_times:g} x {peer}")
    if line.at_most:
        words.append(f"at most {number(line.at_most)} {line.unit}")
    if line.at_most_times is not None:
        words.append(f"{'or' if line.at_most else 'at most'} {line.at_most_times:g} x {peer}")
    if line.below_peer:
        words.append(f"and less than {peer}")
    return " ".join(words)


def reached(line: Line, ours: float, peer: float | None) -> bool | None:
    """Whether the figure is what it must be; None when nothing is asked, or the peer that decides is missing."""
    asked = []
    if line.at_least_times is not None:
        asked.append(ours >= line.at_least_times * peer if peer else None)
    if line.at_most is not None:
        allowed = max(line.at_most, (line.at_most_times or 0) * (peer or 0))
        asked.append(ours <= allowed)
    if line.below_peer:
        asked.append(ours < peer if peer else None)
    if not asked or (None in asked and False not in asked):
        return None
    return False not in asked


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report as one Markdown table, a line for each figure, with who is missing beneath it."""
    lines = ["| " + " | ".join(HEADER) + " |", "| --- | ---: | ---: | --- | ---: | --- | ---: |"]
    for row in report["rows"]:
        lines += ["| " + " | ".join(_one_line(line, row)) + " |" for line in row["lines"]]
    lines += [f"\n{name} is missing: {why}" for name, why in report["missing"].items()]
    return "\n".join(lines) + "\n"


def _one_line(line: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[str, ...]:
    ours = row["sides"].get("Spillway")
    others = {side: each for side, each in row["sides"].items() if side != "Spillway" and line["figure"] in each}
    beside = [
        f"{side} {_with_range(each[line['figure']], line['worst'])}{_absolute(line, each)}"
        for side, each in others.items()
    ]
    beside += [f"{side}: failed, {why}" for side, why in row["failed"].items() if side != "Spillway"]
    return (
        f"{line['title']}, {line['unit']}",
        _with_range(ours[line["figure"]], line["worst"]) if ours else f"failed: {row['failed']['Spillway']}",
        _cell(ours, "per_second") if ours and line is row["lines"][0] else "",
        "; ".join(beside),
        _times(line),
        _verdict(line),
        f"{_share(ours, 'server_load')}, {_share(ours, 'generator_load')}" if ours and line is row["lines"][0] else "",
    )


def screen(row: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The cells of a table for a terminal: a line for each figure of each side."""
    cells: list[tuple[str, ...]] = []
    for line in row["lines"]:
        title, times, asked = f"{line['title']}, {line['unit']}", _times(line), _verdict(line).replace("*", "")
        for side, figures in row["sides"].items():
            if line["figure"] in figures:
                each = figures[line["figure"]]
                spread_text = f"{number(each['low'])} to {number(each['high'])}"
                loads = (_share(figures, "server_load"), _share(figures, "generator_load"))
                absolute = _cell(figures, "per_second")
                cells.append((title, side, number(each["median"]), spread_text, absolute, *loads, times, asked))
                title = times = asked = ""
    cells += [("", side, "failed", why, "", "", "", "", "") for side, why in row["failed"].items()]
    return cells


def _with_range(each: Mapping[str, Any], worst: bool = False) -> str:
    if worst:
        return f"{number(each['high'])} (median {number(each['median'])})"
    return f"{number(each['median'])} ({number(each['low'])} to {number(each['high'])})"


def _absolute(line: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    return f", {_cell(figures, 'per_second')} a second" if line["figure"] == "per_cpu_second" else ""


def _cell(figures: Mapping[str, Any], figure: str) -> str:
    return number(figures[figure]["median"]) if figure in figures else ""


def _share(figures: Mapping[str, Any], figure: str) -> str:
    return f"{figures[figure]['median']:.0%}" if figure in figures else "-"


def _times(line: Mapping[str, Any]) -> str:
    return f"{line['times_peer']:.2f}" if line["times_peer"] is not None else ""


def _verdict(line: Mapping[str, Any]) -> str:
    words = {True: " (reached)", False: " (**not reached**)", None: ""}
    return f"{line['must']}{words[line['reached']]}"


def number(value: float) -> str:
    """Three digits that say something, with commas in thousands."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2}f}".rstrip("0").rstrip(".")
