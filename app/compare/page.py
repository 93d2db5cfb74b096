"""The report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from app.compare import figures as of
from app.compare import plots, svg, words
from app.compare.doubts import doubts
from app.compare.measures import Figure, LoadFigures, Times, VariantFigures
from app.compare.projection import Projection
from app.compare.reasons import Verdict, baseline, headline
from app.compare.samples import Report
from app.compare.verdict import Figures

HERE = Path(__file__).parent
STATIC = HERE.parent / "static"
PARTS = ("web process", "worker", "broker", "model server")  # the order in which bars show them

Cells = list[str | Figure]


def page(report: Report, found: Figures, verdicts: Sequence[Verdict], projection: Projection) -> str:
    """The HTML of a report."""
    loads = [(name, load) for name, each in found.items() for load in each.loads]
    return _template().render(
        report=report,
        title=str(report.workload.get("name") or "workload"),
        theme=(STATIC / "style" / "theme.css").read_text(encoding="utf-8"),
        style=(HERE / "report.css").read_text(encoding="utf-8"),
        brand=(STATIC / "mark.svg").read_text(encoding="utf-8"),
        headline=headline(verdicts),
        baseline=baseline(verdicts, found),
        verdicts=verdicts,
        costs={each.take: each.costs for each in verdicts if each.take},
        figures=found,
        projection=projection,
        doubts=doubts(report, found),
        bound=lambda what: of.bound(report.workload.get("bounds", {}), what),
        tasks=of.tasks(found),
        acks={name: each.ack for name, each in found.items()},
        answers={task: _by_variant(found, task, "answer") for task in of.tasks(found)},
        by_state={name: each.states for name, each in found.items()},
        load={name: [run for run in report.runs if run.kind == "load" and run.variant == name] for name in found},
        part_names=_parts(found),
        cpu={
            name: {part: p.cpu_per_1000.value or 0.0 for part, p in each.parts.items()} for name, each in found.items()
        },
        memory={name: {part: p.mb.value or 0.0 for part, p in each.parts.items()} for name, each in found.items()},
        loads=loads,
        stepped=_stepped(loads),
        kills=[(name, kill) for name, each in found.items() for kill in each.kills],
        all_times=_times(found),
        counts=_counts(list(found.values()), _parts(found)),
    )


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(words=words, plots=plots, hatches=svg.hatches, ours=svg.ours, states=of.STATES)
    return environment.get_template("report.html")


def _by_variant(found: Figures, task: str, measure: str) -> dict[str, Times]:
    return {name: getattr(each.tasks[task], measure) for name, each in found.items() if task in each.tasks}


def _parts(found: Figures) -> list[str]:
    there = {part for each in found.values() for part in each.parts}
    return [*(part for part in PARTS if part in there), *sorted(there - set(PARTS))]


def _stepped(loads: Iterable[tuple[str, LoadFigures]]) -> dict[str, list[LoadFigures]]:
    by_variant: dict[str, list[LoadFigures]] = {}
    for name, load in loads:
        if load.kind == "step":
            by_variant.setdefault(name, []).append(load)
    return by_variant


def _times(found: Figures) -> list[tuple[str, list[tuple[str, Times]]]]:
    """Every row of the table of times: what, and of each variant."""
    rows = [
        ("ack", [(name, each.ack) for name, each in found.items()]),
        ("lateness of the clients themselves", [(name, each.late) for name, each in found.items()]),
    ]
    for task in of.tasks(found):
        for measure in ("answer", "wait", "run"):
            rows.append((f"{task}: {measure}", list(_by_variant(found, task, measure).items())))
    return rows


def _counts(each: Sequence[VariantFigures], parts: Sequence[str]) -> list[list[tuple[str, Cells]]]:
    """The groups of rows of the table of counts, a cell for each variant."""

    def row(what: str, cells: Iterable[float | Figure | None]) -> tuple[str, Cells]:
        return what, [cell if isinstance(cell, Figure) else words.count(cell) for cell in cells]

    def of_parts(measure: str, what: str) -> list[tuple[str, Cells]]:
        return [row(what.format(part), (getattr(v.parts.get(part), measure, None) for v in each)) for part in parts]

    codes = sorted({code for variant in each for code in variant.messages})
    return [
        [
            row("messages offered", (sum(v.messages.values()) for v in each)),
            *(row(f"messages acknowledged {code}", (v.messages.get(code, 0) for v in each)) for code in codes),
        ],
        [
            row("jobs offered", (v.offered for v in each)),
            *(row(f"jobs {state}", (v.states[state] for v in each)) for state in of.STATES),
            row("requests without an ack", (v.unanswered for v in each)),
            row("jobs/s", (v.jobs_per_s for v in each)),
            row("drained after, s", (v.drained for v in each)),
        ],
        [row(what, (getattr(v, what) for v in each)) for what in ("lost", "doubled", "disordered")],
        [row("parts to operate", (len(v.parts) for v in each)), row("sockets at the peak", (v.sockets for v in each))],
        of_parts("cpu_per_1000", "{}: processor s for 1,000 jobs"),
        of_parts("mb", "{}: peak MB"),
    ]
