"""`make faults`: every scenario under load, then one table. Ends with 1 when anything was lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import secrets
import signal
import statistics
import sys
import time

import click
from rich.console import Console
from rich.table import Table

from tests.faults.scenarios import IS_ROOT, ROOT_ONLY, SCENARIOS, Outcome, run

console = Console(width=130)


@click.command()
@click.option("--seed", type=int, default=lambda: secrets.randbelow(1_000_000), help="repeats a run's choices")
@click.option("--times", type=click.IntRange(1), default=50, show_default=True, help="kills in each scenario")
@click.option(
    "--scenario", "names", multiple=True, type=click.Choice(list(SCENARIOS)), help="only this one; may be repeated"
)
def main(seed: int, times: int, names: tuple[str, ...]) -> None:
    """Break things, and hold what people were told against what was kept."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    console.print(f"seed {seed}, {times} times each")
    outcomes = []
    for name in names or SCENARIOS:
        if name in ROOT_ONLY and not IS_ROOT:
            console.print(f"{name}: left out, it needs root")
            continue
        began = time.monotonic()
        outcome = asyncio.run(run(name, seed, times))
        outcomes.append(outcome)
        console.print(f"{name}: {_verdict(outcome)} in {time.monotonic() - began:.0f} s")
        for said, count in outcome.dead.most_common(5):
            console.print(f"  {count} dead letters: {said}")
        for sentence in [*outcome.findings.lost, *outcome.findings.doubled, *outcome.findings.disordered][:10]:
            console.print(f"  {sentence}")
    console.print(_table(outcomes))
    console.print(f"repeat with: make faults SEED={seed}")
    sys.exit(any(outcome.findings for outcome in outcomes))


def _verdict(outcome: Outcome) -> str:
    found = outcome.findings
    return f"{len(found.lost)} lost, {len(found.doubled)} doubled, {len(found.disordered)} out of order"


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("scenario", "messages", "jobs", "dead", "lost", "doubled", "out of order", box=None)
    for heading in ("new job p50 / max, s", "open jobs p50 / max, s"):
        table.add_column(heading)
    for each in outcomes:
        found = each.findings
        counts = (
            each.messages,
            each.jobs,
            each.dead.total(),
            len(found.lost),
            len(found.doubled),
            len(found.disordered),
        )
        recovery = [
            f"{statistics.median(took):.1f} / {max(took):.1f}" if took else "-"
            for took in (each.recovery.new, each.recovery.caught)
        ]
        table.add_row(each.scenario, *(str(count) for count in counts), *recovery)
    total = [sum(values) for values in zip(*((each.messages, each.jobs) for each in outcomes), strict=True)] or [0, 0]
    table.add_row("all", *(str(value) for value in total))
    return table


if __name__ == "__main__":
    main()
