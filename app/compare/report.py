"""The report: a page, a JSON file and a table on the terminal, all from the same runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.compare import plots, words
from app.compare.figures import STATES, figures, tasks
from app.compare.measures import VariantFigures
from app.compare.page import page
from app.compare.projection import Projection, project
from app.compare.reasons import Verdict, headline, verdicts
from app.compare.samples import SCHEMA, Report

HTML, JSON = "compare.html", "compare.json"


class ReportInvalid(Exception):
    """The file is no report of a comparison; the message says what is wrong with it."""


class Concluded(msgspec.Struct, frozen=True):
    """What follows from a report's runs."""

    figures: dict[str, VariantFigures]
    verdicts: list[Verdict]
    projection: Projection


def conclude(report: Report) -> Concluded:
    """Figures, verdicts and projection, from the report's runs, workload and machine alone."""
    bounds = report.workload.get("bounds", {})
    found = figures(report.runs, bounds)
    return Concluded(found, verdicts(found, bounds, report.machine), project(found, report.runs, report.machine))


def write(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write compare.html and compare.json into the folder, made if absent; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    concluded = conclude(report)
    whole = msgspec.structs.replace(
        report,
        figures=msgspec.to_builtins(concluded.figures),
        verdicts=msgspec.to_builtins(concluded.verdicts),
        projection=msgspec.to_builtins(concluded.projection),
    )
    (folder / JSON).write_bytes(msgspec.json.encode(whole))
    (folder / HTML).write_text(
        page(report, concluded.figures, concluded.verdicts, concluded.projection), encoding="utf-8"
    )
    return folder / HTML, folder / JSON


def read(path: Path) -> Report:
    """A report as `write` left it; raises ReportInvalid."""
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Report)
        if report.schema == SCHEMA:
            _concluded(report)
    except OSError as error:
        raise ReportInvalid(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ReportInvalid(f"{path} is no report of a comparison: {error}") from None
    if report.schema != SCHEMA:
        raise ReportInvalid(f"{path} has schema {report.schema}; this Spillway reads schema {SCHEMA}")
    return report


def table(report: Report, console: Console) -> None:
    """Print the verdict and the figures that matter most."""
    concluded = conclude(report)
    if report.cut_short:
        console.print(f"[bold red]Cut short: {escape(report.cut_short)}. This is what was measured until then.[/]")
    console.print(f"\n[bold]{escape(headline(concluded.verdicts))}[/]")
    for each in concluded.verdicts:
        console.print(f"[bold]{escape(each.task)}[/]: {each.take or 'none'}. {escape(each.reason)}", highlight=False)
    console.print()
    console.print(_table(concluded.figures))


def _table(found: dict[str, VariantFigures]) -> Table:
    made = Table("", *found, box=None, header_style="bold")
    for name, cells in rows(found):
        made.add_row(escape(name), *cells)
    return made


def rows(found: dict[str, VariantFigures]) -> list[tuple[str, list[str]]]:
    """The rows of the table: what, and for each variant its figure in words."""
    each = list(found.values())
    made = [("ack p50 · p95 · p99", [plots.values(variant.ack) for variant in each])]
    for task in tasks(found):
        known = [variant.tasks.get(task) for variant in each]
        made.append((f"{task} p50 · p95 · p99", ["–" if one is None else plots.values(one.answer) for one in known]))
    made += [
        ("jobs/s", [words.count(variant.jobs_per_s.value) for variant in each]),
        ("jobs offered", [f"{variant.offered:,}" for variant in each]),
        *((f"  {state}", [f"{variant.states[state]:,}" for variant in each]) for state in STATES),
        ("lost, doubled, disordered", [f"{v.lost:,}, {v.doubled:,}, {v.disordered:,}" for v in each]),
        (
            "processor s / 1,000 jobs",
            [words.count(_sum([part.cpu_per_1000.value for part in v.parts.values()])) for v in each],
        ),
        ("memory MB", [words.count(_sum([part.mb.value for part in v.parts.values()])) for v in each]),
        ("parts to operate", [f"{len(variant.parts)}" for variant in each]),
        ("sockets", [f"{variant.sockets:,}" for variant in each]),
    ]
    return made


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 2) if known else None


def _concluded(report: Report) -> Concluded:
    """The computed half with its types, as far as there is one."""
    parts: dict[str, Any] = {"figures": report.figures, "verdicts": report.verdicts, "projection": report.projection}
    if not report.projection:
        return conclude(report)
    return msgspec.convert(parts, Concluded)
