"""The report: an HTML page without scripts, a JSON file and a table for the terminal, all from the same runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.compare import figures as of
from app.compare import plots
from app.compare.figures import bound_words, count, join_words, ms, plural
from app.compare.loads import Projection, project
from app.compare.samples import SCHEMA, Figure, Figures, Report, Times, VariantFigures
from app.compare.verdict import Verdict, faults, groups, verdicts

HERE = Path(__file__).parent
STATIC = HERE.parent / "static"
PARTS = ("web process", "worker", "broker", "model server")  # the order in which bars show them
Cells = list[str | Figure]
LATE_CLIENT_MS = 10.0  # p99; clients that send later than this distort what they measure
GENERAL_DOUBTS = (
    "The clients ran on the same machine as the system and used some of its processor time. With clients on another machine the "
    "system would be faster.",
    "Everything ran on one machine over loopback. A network is slower, and on the queued path every job crosses it once more.",
    "A workload file is a guess at what people will do. Another mix of tasks, longer texts or larger rooms can change the verdict.",
)
RECOMMENDATIONS = {"simple": "Stay simple", "queued": "Take the queue", "auto": "Let auto choose"}
SUBJECTS = {1: "it does not keep", 2: "neither path keeps"}  # by the number of paths that could be recommended
HTML, JSON = "compare.html", "compare.json"


class ReportInvalid(Exception):
    """The file is not a report of a comparison; the message says why."""


class Concluded(msgspec.Struct, frozen=True):
    """Everything computed from a report's runs."""

    figures: dict[str, VariantFigures]
    verdicts: list[Verdict]
    projection: Projection


def conclude(report: Report) -> Concluded:
    """Figures, verdicts and projection, from the report's runs, workload and machine alone."""
    bounds = report.workload.get("bounds", {})
    found = of.figures(report.runs, bounds)
    return Concluded(
        found, verdicts(found, bounds, report.machine), project(found, report.runs, report.machine, report.topology)
    )


def write(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write compare.html and compare.json into the folder, which is created if absent; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    concluded = conclude(report)
    whole = msgspec.structs.replace(
        report,
        figures=msgspec.to_builtins(concluded.figures),
        verdicts=msgspec.to_builtins(concluded.verdicts),
        projection=msgspec.to_builtins(concluded.projection),
    )
    (folder / JSON).write_bytes(msgspec.json.encode(whole))
    (folder / HTML).write_text(_page(report, concluded), encoding="utf-8")
    return folder / HTML, folder / JSON


def read(path: Path) -> Report:
    """A report as `write` left it; raises ReportInvalid."""
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Report)
        if report.schema == SCHEMA and report.projection:
            parts = {"figures": report.figures, "verdicts": report.verdicts, "projection": report.projection}
            msgspec.convert(parts, Concluded)
    except OSError as error:
        raise ReportInvalid(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ReportInvalid(f"{path} is not a report of a comparison: {error}") from None
    if report.schema != SCHEMA:
        raise ReportInvalid(f"{path} has schema {report.schema}; this Spillway reads schema {SCHEMA}")
    return report


def headline(found: Sequence[Verdict], all_figures: Figures) -> str:
    """All verdicts in one sentence, with the bounds that no path keeps."""
    takes: dict[str, list[str]] = {}
    for each in found:
        takes.setdefault(each.take or "", []).append(each.task)
    if not found or set(takes) == {""}:
        return "No path can be recommended."
    unkept = _unkept([each.task for each in found if each.take], all_figures)
    if set(takes) == {"simple"} and all(each.rule == "draw" for each in found):
        return f"A draw: stay simple{unkept}."
    if len(takes) == 1:
        return f"{RECOMMENDATIONS[next(iter(takes))]}{unkept}."
    most = max(takes, key=lambda take: (len(takes[take]), take == "simple"))
    rest = [f"{_lower(take)} for {join_words(tasks)}" for take, tasks in sorted(takes.items()) if take != most]
    return f"{RECOMMENDATIONS.get(most, 'No path')}, but {join_words(rest)}{unkept}."


def _lower(take: str) -> str:
    words = RECOMMENDATIONS.get(take, "No path")
    return words[0].lower() + words[1:]


def _unkept(tasks: Sequence[str], all_figures: Figures) -> str:
    """The rest of the headline: `; neither path keeps 2 s under this load`. Empty when some path keeps each bound."""
    paths = [each for name, each in all_figures.items() if name != "plain" and not each.excluded]
    by_limit: dict[float, list[str]] = {}
    for what in ("ack", *tasks):
        limits = [_broken_bound(what, each) for each in paths if what == "ack" or what in each.tasks]
        if limits and limits[0] is not None and None not in limits:
            by_limit.setdefault(limits[0], []).append("acks" if what == "ack" else what)
    if not by_limit:
        return ""
    all_answers = list(by_limit.values()) == [list(tasks)]
    said = [bound_words(limit) + ("" if all_answers else f" for {join_words(of)}") for limit, of in by_limit.items()]
    return f"; {SUBJECTS.get(len(paths), 'no path keeps')} {join_words(said)} under this load"


def _broken_bound(what: str, variant: VariantFigures) -> float | None:
    return next((each.bound for each in variant.broken if each.what == what), None)


def baseline(found: Sequence[Verdict], all_figures: Figures) -> str:
    """What the variant without a ledger did, in a sentence or two; empty when it was not measured."""
    plain = all_figures.get("plain")
    if plain is None:
        return ""
    times = join_words([each.plain for each in found if each.plain]) or "no job was answered"
    wrong = f"It {faults(plain)}" if plain.excluded else "It lost nothing in these runs"
    return (
        f"On plain, {times}. {wrong}. It is never recommended: jobs that are running when the process stops are lost."
    )


def table(report: Report, console: Console) -> None:
    """Print the verdict and the figures that matter most."""
    concluded = conclude(report)
    if report.cut_short:
        console.print(
            f"[bold red]Cut short: {escape(report.cut_short)}. This report has the runs that were completed before.[/]"
        )
    console.print(f"\n[bold]{escape(headline(concluded.verdicts, concluded.figures))}[/]")
    for each in groups(concluded.verdicts, concluded.figures, report.workload.get("bounds", {})):
        console.print(f"[bold]{escape(each.title)}[/]: {each.take or 'none'}. {escape(each.reason)}", highlight=False)
    console.print()
    made = Table("", *concluded.figures, box=None, header_style="bold")
    for name, cells in rows(concluded.figures):
        made.add_row(escape(name), *cells)
    console.print(made)


def rows(found: dict[str, VariantFigures]) -> list[tuple[str, list[str]]]:
    """The rows of the table: a title, and the figure of each variant as text."""
    each = list(found.values())
    made = [("ack p50 · p95 · p99", [plots.values(variant.ack) for variant in each])]
    for task in of.tasks(found):
        known = [variant.tasks.get(task) for variant in each]
        made.append((f"{task} p50 · p95 · p99", ["–" if one is None else plots.values(one.answer) for one in known]))
    made += [
        ("jobs/s", [count(variant.jobs_per_s.value) for variant in each]),
        ("jobs offered", [f"{variant.offered:,}" for variant in each]),
        *((f"  {state}", [f"{variant.states[state]:,}" for variant in each]) for state in of.STATES),
        ("lost, doubled, disordered", [f"{v.lost:,}, {v.doubled:,}, {v.disordered:,}" for v in each]),
        (
            "processor s / 1,000 jobs",
            [count(_sum([part.cpu_per_1000.value for part in v.parts.values()])) for v in each],
        ),
        ("memory MB", [count(_sum([part.mb.value for part in v.parts.values()])) for v in each]),
        ("parts to operate", [f"{len(variant.parts)}" for variant in each]),
        ("sockets", [f"{variant.sockets:,}" for variant in each]),
    ]
    return made


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 2) if known else None


def _page(report: Report, concluded: Concluded) -> str:
    found, verdicts = concluded.figures, concluded.verdicts
    bounds = report.workload.get("bounds", {})
    return _template().render(
        report=report,
        title=str(report.workload.get("name") or "workload"),
        theme=(STATIC / "style" / "theme.css").read_text(encoding="utf-8"),
        style=(HERE / "report.css").read_text(encoding="utf-8"),
        brand=(STATIC / "mark.svg").read_text(encoding="utf-8"),
        headline=headline(verdicts, found),
        baseline=baseline(verdicts, found),
        verdicts=verdicts,
        groups=groups(verdicts, found, bounds),
        costs={each.take: each.costs for each in verdicts if each.take},
        figures=found,
        projection=concluded.projection,
        doubts=_doubts(report, found),
        bound=lambda what: of.bound_ms(bounds, what),
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
        loads=[(name, load) for name, each in found.items() for load in each.loads],
        stepped={
            name: steps
            for name, each in found.items()
            if (steps := [load for load in each.loads if load.kind == "step"])
        },
        kills=[(name, kill) for name, each in found.items() for kill in each.kills],
        all_times=_times(found),
        counts=_counts(list(found.values()), _parts(found)),
    )


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(words=of, plots=plots, setting=_setting, moment=_moment)
    return environment.get_template("report.html")


def _setting(value: Any) -> str:
    """A value of a workload file: text as it is, lists and tables by their entries."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_setting(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_setting(each) for each in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _moment(rfc3339: str) -> str:
    """21 November 2026, 12:00 UTC; what is no time stays as it is."""
    try:
        at = datetime.fromisoformat(rfc3339).astimezone(UTC)
    except ValueError:
        return rfc3339
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _by_variant(found: Figures, task: str, measure: str) -> dict[str, Times]:
    return {name: getattr(each.tasks[task], measure) for name, each in found.items() if task in each.tasks}


def _parts(found: Figures) -> list[str]:
    there = {part for each in found.values() for part in each.parts}
    return [*(part for part in PARTS if part in there), *sorted(there - set(PARTS))]


def _times(found: Figures) -> list[tuple[str, list[tuple[str, Times]]]]:
    """The rows of the table of times: a title, and the times of each variant."""
    rows = [
        ("ack", [(name, each.ack) for name, each in found.items()]),
        ("delay of the clients in sending", [(name, each.late) for name, each in found.items()]),
    ]
    for task in of.tasks(found):
        rows.extend(
            (f"{task}: {measure}", list(_by_variant(found, task, measure).items()))
            for measure in ("answer", "wait", "run")
        )
    return rows


def _counts(each: Sequence[VariantFigures], parts: Sequence[str]) -> list[list[tuple[str, Cells]]]:
    """The rows of the table of counts, in groups, with a cell for each variant."""

    def row(what: str, cells: Iterable[float | Figure | None]) -> tuple[str, Cells]:
        return what, [cell if isinstance(cell, Figure) else count(cell) for cell in cells]

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


def _doubts(report: Report, found: Figures) -> list[str]:
    """The ways in which this comparison could be wrong, as far as its samples tell; the gravest first."""
    return [
        *_unfinished(report),
        *_models(report),
        *_samples(report, found),
        *_clients(found),
        *_machine(report),
        *GENERAL_DOUBTS,
    ]


def _unfinished(report: Report) -> list[str]:
    said = []
    if report.cut_short:
        said.append(f"It was cut short: {report.cut_short}. The missing runs could change the verdict.")
    done = {run.variant for run in report.runs if run.kind == "load"}
    if missing := [name for name in report.variants if name not in done]:
        said.append(f"{join_words(missing)} {'was' if len(missing) == 1 else 'were'} requested and not measured.")
    late = sorted({run.variant for run in report.runs if run.kind == "load" and run.drained is None})
    if late:
        said.append(f"Some jobs on {join_words(late)} did not end before the run was stopped; they count as lost.")
    return said


def _models(report: Report) -> list[str]:
    if report.models == "synthetic":
        return [
            "The model server was synthetic: its response times come from the workload file, not from a real model."
        ]
    return ["The models were the embedded ones. Larger models, or models on other machines, have other response times."]


def _samples(report: Report, found: Figures) -> list[str]:
    said = []
    if report.repeat < 3:
        said.append(f"{plural(report.repeat, 'repeat')} cannot show how much repeats differ; use --repeat 3 or more.")
    few = sorted({task for variant in found.values() for task, each in variant.tasks.items() if each.answer.n < 20})
    if few:
        said.append(
            f"{join_words(few)} had fewer than 20 answers on some path: there is no p95, and the verdict on it is weak."
        )
    seconds = max((run.seconds for run in report.runs), default=0.0)
    if seconds < 300 and report.runs:
        said.append(f"Each run had {seconds:g} s of load. Effects that build up over hours are not visible in it.")
    if not report.full:
        said.append("No part was killed, and no other load was tried; --full does both.")
    return said


def _clients(found: Figures) -> list[str]:
    late = {
        name: known[1]
        for name, each in found.items()
        if (known := of.highest_known_quantile(each.late, "p99")) and known[1] > LATE_CLIENT_MS
    }
    if not late:
        return []
    worst = max(late, key=lambda name: late[name])
    return [
        f"The clients themselves were late: on {worst} the p99 of their delay in sending was {ms(late[worst])}. "
        "This delay is part of the latencies above, and the system did not cause it."
    ]


def _machine(report: Report) -> list[str]:
    cores = report.machine.get("cores")
    if isinstance(cores, int) and cores <= 4:
        return [
            f"All parts and all clients shared {plural(cores, 'core')}, so the benefit of workers "
            "on cores of their own is not visible."
        ]
    return []
