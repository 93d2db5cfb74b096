"""The commands `python -m app compare` and `python -m app replay`."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from app import tasks as declared
from app.compare import report, workload
from app.compare.client import ChatClient
from app.compare.run import Comparison, Experiment, OnProgress, Plan
from app.compare.samples import FINAL, VARIANTS
from app.compare.workload import Line, Workload, WorkloadInvalid


class CompareRefused(Exception):
    """The options of a comparison are wrong; the message says which and what is expected."""


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
    topology: str = "one",
) -> int:
    """Make a comparison and write its report; returns 0 when it is complete, 1 when it was cut short. Raises CompareRefused."""
    tasks = declared.discover()
    path = workload.PRESETS / f"{preset or 'burst'}.toml" if file is None else file
    try:
        asked = workload.load(path, tasks)
    except WorkloadInvalid as error:
        raise CompareRefused(str(error)) from None
    experiment = Experiment(
        asked,
        path.parent,
        workload.with_python_tasks(asked, tasks),
        secrets.randbelow(10**6) if seed is None else seed,
        models or asked.models,
        topology,
    )
    comparison = Comparison(experiment, _variants(variants), repeat, full, _command(experiment, sys.argv[1:], seed))
    _make_folder(out)
    console = Console(stderr=True)
    _print_plan(console, asked, comparison)
    # Until the report is written, so that a second Ctrl-C does not end the process without a report.
    with _stop_on_signals(comparison):
        asyncio.run(_run_with_progress(comparison, console))
        finished = comparison.report()
        html, json = report.write(finished, out)
    if as_json:
        print(json.read_text())
    else:
        report.table(finished, Console())
    console.print(f"\nreport: {html}\nsamples: {json}", highlight=False)
    return 1 if comparison.cut_short else 0


class DoneColumn(MofNCompleteColumn):
    """Done of all, such as 12/40; nothing until it is known how many there are."""

    def render(self, task: Task) -> Text:
        """The two numbers of one bar."""
        return Text() if task.total is None else super().render(task)


@contextmanager
def _stop_on_signals(comparison: Comparison) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: comparison.stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _run_with_progress(comparison: Comparison, console: Console) -> None:
    """Make all runs, with a progress bar for all of them and one for the current run."""
    columns = (TextColumn("{task.description:32}"), BarColumn(), DoneColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        every = progress.add_task("runs", total=comparison.expected())
        now = progress.add_task("", total=None)

        def on_run_start(plan: Plan, made: int) -> OnProgress:
            title = plan.variant if plan.kind == "load" else f"{plan.variant}, {plan.kind} ×{plan.factor:g}"
            progress.update(every, completed=made)
            progress.reset(now, description=f"{title} ({plan.repeat})", total=None)

            def on_progress(_: int, final: int, expected: int) -> None:
                progress.update(now, completed=final, total=max(final, expected), description=f"{title}: jobs done")

            return on_progress

        await comparison.run(on_run_start)
        progress.update(every, completed=len(comparison.runs), total=len(comparison.runs))


def _make_folder(out: Path) -> None:
    """Check that the report can be written, before hours of measuring rather than after."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompareRefused(f"--out: cannot create the folder {out}: {error.strerror}") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise CompareRefused(f"--out: cannot write into {out}")


def _variants(asked: str) -> list[str]:
    chosen = list(dict.fromkeys(asked.split(",")))
    if unknown := [each for each in chosen if each not in VARIANTS]:
        raise CompareRefused(f"--variants: unknown variant {unknown[0]!r}; expected some of {', '.join(VARIANTS)}")
    return chosen


def _command(experiment: Experiment, arguments: list[str], seed: int | None) -> list[str]:
    """The command that repeats this comparison with the same seed."""
    return ["python", "-m", "app", *arguments, *([] if seed is not None else ["--seed", str(experiment.seed)])]


def _print_plan(console: Console, asked: Workload, comparison: Comparison) -> None:
    seconds = asked.seconds * comparison.repeat * len(comparison.variants)
    console.print(f"[bold]{escape(asked.name)}[/]: {escape(asked.about)}", highlight=False)
    console.print(
        f"{', '.join(comparison.variants)}; {comparison.repeat} × {asked.seconds:g} s each; {comparison.experiment.models} "
        f"models; seed {comparison.experiment.seed}; more than {seconds / 60:.1f} minutes. Ctrl-C writes what there is.",
        highlight=False,
    )


NO_PROGRESS_SECONDS = 120.0  # after which jobs count as missing


@dataclass
class ReplayedLine:
    """One line of a conversation and the jobs its message started."""

    seq: int
    line: Line
    found: dict[str, dict[str, Any]]  # task -> the job as in its last `job:update`


async def play(
    url: str, lines: list[Line], room: str, speed: float, tasks: set[str], progress: Progress, token: str = ""
) -> list[ReplayedLine]:
    """Send the lines in order, `speed` a second; returns them with the results of the tasks that each starts.

    `tasks` are those that run on every message where the room has them switched on.

    With a token all of them are sent by the person that it names.
    """
    clients = {name: ChatClient(url, name, room, token=token) for name in dict.fromkeys(line.sender for line in lines)}
    try:
        return await _send_lines(clients, lines, speed, tasks, progress)
    finally:
        for client in clients.values():
            await client.close()


async def _send_lines(
    clients: dict[str, ChatClient], lines: list[Line], speed: float, tasks: set[str], progress: Progress
) -> list[ReplayedLine]:
    for client in clients.values():
        await client.connect()
    watcher = clients[lines[0].sender]
    chosen = (await watcher.call("room:tasks", {"room": watcher.room}))["tasks"]
    tasks = {task for task in tasks if chosen[task]}
    before = set(watcher.record.jobs)
    sending = progress.add_task("lines", total=len(lines))
    seqs = []
    for line in lines:
        client = clients[line.sender]
        message = await client.send_until_acknowledged(partial(client.send_message, line.text))
        seqs.append(message["seq"])
        progress.advance(sending)
        await asyncio.sleep(1 / speed)
    await _wait(watcher, set(seqs), before, tasks, progress)
    found: dict[int, dict[str, dict[str, Any]]] = {seq: {} for seq in seqs}
    for job in watcher.record.jobs.values():
        if job.get("message") in found:
            found[job["message"]][job["task"]] = job
    return [ReplayedLine(seq, line, found[seq]) for seq, line in zip(seqs, lines, strict=True)]


async def _wait(watcher: ChatClient, seqs: set[int], before: set[str], tasks: set[str], progress: Progress) -> None:
    """Wait until the jobs of every line are final, or until there was no progress for two minutes."""
    progress_bar = progress.add_task("jobs", total=len(seqs) * len(tasks))
    done, quiet = -1, 0.0
    while quiet < NO_PROGRESS_SECONDS:
        new = [job for id, job in watcher.record.jobs.items() if id not in before]
        mine = [job for job in new if job.get("message") in seqs and not job.get("due")]
        certain = [job for job in mine if job["task"] in tasks]
        final = sum(job["state"] in FINAL for job in mine)
        quiet = 0.0 if final != done else quiet + 0.1
        done = final
        progress.update(progress_bar, completed=final, total=max(len(mine), len(seqs) * len(tasks)))
        if len(certain) >= len(seqs) * len(tasks) and final == len(mine):
            return
        await asyncio.sleep(0.1)


def progress_bar(console: Console) -> Progress:
    """A progress bar on this console."""
    return Progress(TextColumn("{task.description}"), BarColumn(), DoneColumn(), TimeElapsedColumn(), console=console)


def results_as_json(replayed: list[ReplayedLine]) -> str:
    """One JSON object a line: seq, sender, text, and the result of each task."""
    return "\n".join(
        json.dumps(
            {"seq": each.seq, "sender": each.line.sender, "text": each.line.text, "found": _found(each)},
            ensure_ascii=False,
        )
        for each in replayed
    )


def print_results(replayed: list[ReplayedLine], console: Console) -> None:
    """Print the lines with the result of each task, and how many jobs ended how on each path."""
    tasks = sorted({task for each in replayed for task in each.found})
    table = Table("", "sender", "text", *tasks, box=None, header_style="bold")
    for each in replayed:
        cells = [_result_words(each.found[task]) if task in each.found else "-" for task in tasks]
        table.add_row(str(each.seq), each.line.sender, each.line.text, *cells)
    console.print(table)
    ends = Counter((job["path"], job["state"]) for each in replayed for job in each.found.values())
    console.print(", ".join(f"{count} {state} on {path}" for (path, state), count in sorted(ends.items())))


def _found(each: ReplayedLine) -> dict[str, Any]:
    return {task: job.get("result", {"state": job["state"]}) for task, job in sorted(each.found.items())}


def _result_words(job: dict[str, Any]) -> str:
    if job["state"] != "succeeded":
        return str(job["state"])
    values = (job.get("result") or {}).values()
    return (
        " ".join(f"{value:.2f}" if isinstance(value, float) else str(value) for value in values if value != "") or "-"
    )
