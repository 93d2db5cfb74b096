"""The command behind `python -m app compare` and `make compare`."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app import tasks as declared
from app.compare import report, workload
from app.compare.comparison import Comparison
from app.compare.measure import Plan, Setting, Tell
from app.compare.samples import VARIANTS
from app.compare.workload import Workload, WorkloadInvalid


class CompareRefused(Exception):
    """The comparison cannot be made as it was asked for; the message says what would be right."""


def compare(
    preset: str | None,
    file: Path | None,
    variants: str,
    repeat: int,
    full: bool,
    models: str | None,
    seed: int | None,
    out: Path,
    as_json: bool,
) -> int:
    """Make a comparison and write its report; 0 when it is complete, 1 when it was cut short. Raises CompareRefused."""
    tasks = declared.discover()
    path = workload.PRESETS / f"{preset or 'burst'}.toml" if file is None else file
    try:
        asked = workload.load(path, tasks)
    except WorkloadInvalid as error:
        raise CompareRefused(str(error)) from None
    setting = Setting(
        asked, path.parent, tasks, secrets.randbelow(10**6) if seed is None else seed, models or asked.models
    )
    comparison = Comparison(setting, _variants(variants), repeat, full, _command(setting, sys.argv[1:], seed))
    _make_folder(out)
    console = Console(stderr=True)
    _say_what_follows(console, asked, comparison)
    # Until the report is written: who presses Ctrl-C twice wants it to end, not to end without a report.
    with _stopped_by_signals(comparison):
        asyncio.run(_made(comparison, console))
        finished = comparison.report()
        html, json = report.write(finished, out)
    if as_json:
        print(json.read_text())
    else:
        report.table(finished, Console())
    console.print(f"\nreport: {html}\nsamples: {json}", highlight=False)
    return 1 if comparison.cut_short else 0


@contextmanager
def _stopped_by_signals(comparison: Comparison) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: comparison.stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _made(comparison: Comparison, console: Console) -> None:
    """Run it with a bar for all runs and one for the run under way."""
    columns = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        every = progress.add_task("runs", total=comparison.expected())
        now = progress.add_task("", total=None)

        def look(plan: Plan, made: int) -> Tell:
            words = plan.variant if plan.kind == "load" else f"{plan.variant}, {plan.kind} ×{plan.factor:g}"
            progress.update(every, completed=made)
            progress.reset(now, description=f"{words} ({plan.repeat})", total=None)
            return lambda _, final: progress.update(now, completed=final, description=f"{words}: jobs done")

        await comparison.run(look)
        progress.update(every, completed=len(comparison.runs), total=len(comparison.runs))


def _make_folder(out: Path) -> None:
    """Before the measuring, not after hours of it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompareRefused(f"--out: cannot make the folder {out}: {error.strerror}") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise CompareRefused(f"--out: cannot write into {out}")


def _variants(asked: str) -> list[str]:
    chosen = list(dict.fromkeys(asked.split(",")))
    if unknown := [each for each in chosen if each not in VARIANTS]:
        raise CompareRefused(f"--variants: there is no variant {unknown[0]!r}; {', '.join(VARIANTS)} are right")
    return chosen


def _command(setting: Setting, arguments: list[str], seed: int | None) -> list[str]:
    """The command that repeats this comparison."""
    return ["python", "-m", "app", *arguments, *([] if seed is not None else ["--seed", str(setting.seed)])]


def _say_what_follows(console: Console, asked: Workload, comparison: Comparison) -> None:
    seconds = asked.seconds * comparison.repeat * len(comparison.variants)
    console.print(f"[bold]{escape(asked.name)}[/]: {escape(asked.about)}", highlight=False)
    console.print(
        f"{', '.join(comparison.variants)}; {comparison.repeat} × {asked.seconds:g} s each; {comparison.setting.models} "
        f"models; seed {comparison.setting.seed}; more than {seconds / 60:.1f} minutes. Ctrl-C writes what there is.",
        highlight=False,
    )
