"""`make bench`: what Spillway costs on this machine, beside its peers in the same run. ROWS="echo,fan" REPEAT=3 select."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.compare.system import ROOT
from tests.bench import report as said
from tests.bench import servers
from tests.bench.crowd import LoadFailed
from tests.bench.peers.places import missing
from tests.bench.rows import Row, rows
from tests.bench.sides import FULL, TINY, Figures, Measurement, Size

Say = Callable[[str], None]


@click.command(help=__doc__)
@click.option("--rows", "chosen", default="", help="names separated by commas; default: all")
@click.option("--repeat", default=3, type=click.IntRange(1, 100), show_default=True, help="repetitions of each side")
@click.option("--json", "file", default=ROOT / "var" / "bench.json", type=click.Path(path_type=Path), show_default=True)
@click.option("--smoke", is_flag=True, help="tiny and once each: does the bench work?")
def main(chosen: str, repeat: int, file: Path, smoke: bool) -> None:
    """Measure, print one table, and write the same as JSON and Markdown."""
    console = Console(stderr=True)
    known = {row.name: row for row in rows()}
    names = [name.strip() for name in chosen.split(",") if name.strip()] or list(known)
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"no row is called {min(unknown)}; there are {', '.join(known)}")
    report = run([known[name] for name in names], 1 if smoke else repeat, TINY if smoke else FULL, console.print)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n")
    file.with_suffix(".md").write_text(said.markdown(report))
    _print(report, Console(width=max(150, Console().width)))
    console.print(f"written to {file} and {file.with_suffix('.md')}")
    if any(row["failed"] for row in report["rows"]):
        sys.exit(1)


def run(chosen: list[Row], repeat: int, size: Size, say: Say) -> dict[str, Any]:
    """Measure these rows and return the whole report; the generator stays on its core meanwhile."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before, begun = os.sched_getaffinity(0), time.monotonic()
    os.sched_setaffinity(0, servers.GENERATOR_CORE)
    absent = missing()
    measured = []
    try:
        for place, row in enumerate(chosen, 1):
            say(f"{time.monotonic() - begun:4.0f} s  row {place} of {len(chosen)}: {row.name}")
            times = max(repeat, row.repeat) if size is FULL else repeat
            measured.append(_measure(row, times, size, absent, say))
    finally:
        os.sched_setaffinity(0, before)
    return {
        "command": "python -m tests.bench " + " ".join(sys.argv[1:]),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - begun, 1),
        "machine": _machine(),
        "repeat": repeat,
        "missing": absent,
        "rows": measured,
    }


def _measure(row: Row, repeat: int, size: Size, absent: dict[str, str], say: Say) -> dict[str, Any]:
    """One row: every side is opened, then all are measured in turn, so that a noisy minute meets all of them."""
    measured: dict[str, list[Figures]] = {}
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        opened: dict[str, Measurement] = {}
        for side in row.sides:
            if side.needs in absent:
                continue
            try:
                opened[side.name] = stack.enter_context(side.open(size))
            except (LoadFailed, servers.NotStarted) as error:
                failed[side.name] = str(error)
                say(escape(f"        {side.name}: failed: {error}"))
        for _ in range(repeat):
            for name, measurement in opened.items():
                if name in failed:
                    continue
                try:
                    figures = measurement()
                except (LoadFailed, servers.NotStarted) as error:
                    failed[name] = str(error)
                    say(escape(f"        {name}: failed: {error}"))
                    continue
                measured.setdefault(name, []).append(figures)
                say(f"        {name}: " + ", ".join(f"{key} {said.number(value)}" for key, value in figures.items()))
    return said.row_as_json(row, measured, failed)


def _machine() -> dict[str, Any]:
    return {
        "cores": len(servers.CORES),
        "pinned": servers.PINNED,
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": _first_line("git", "rev-parse", "--short", "HEAD"),
        "node": _first_line("node", "--version"),
    }


def _first_line(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _print(report: dict[str, Any], console: Console) -> None:
    table = Table(box=None, header_style="bold")
    for name in said.SCREEN:
        table.add_column(name, justify="left" if name in ("work", "who", "must reach") else "right")
    for row in report["rows"]:
        for cells in said.screen(row):
            table.add_row(*map(escape, cells))
        table.add_section()
    console.print(table)
    for name, why in report["missing"].items():
        console.print(f"{name} is missing: {why}")
    if not servers.PINNED:
        console.print("there is one core only: server and generator shared it")


if __name__ == "__main__":
    main()
