"""`make choosing`: runs every preset, and puts tables, verdicts and plots into docs/choosing.md.

About 40 minutes. With names of presets, only those; with `--again`, from reports already in the folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from app.compare import report as reports
from app.compare.report import Concluded, headline
from app.compare.samples import Report
from app.compare.system import ROOT
from app.compare.verdict import groups
from tests.browser.conftest import FLAGS, find_chromium

PAGE, PICTURES = ROOT / "docs" / "choosing.md", ROOT / "docs" / "choosing"
SEED = "20261121"
PRESETS: dict[str, list[str]] = {
    "curai-day": ["--variants", "simple,queued"],
    "burst": ["--repeat", "3"],
    "long-jobs": ["--variants", "simple,queued"],
    "chatty": ["--variants", "simple,queued", "--repeat", "2"],
    "overload": ["--variants", "simple,queued,auto"],
    "restart": ["--variants", "simple,queued,plain"],
    "python-tasks": ["--variants", "simple,queued,auto"],
}
# Under a name of their own, as they run a preset that is above, on the topology of `make cluster`.
ON_CLUSTER: dict[str, tuple[str, list[str]]] = {
    "burst-on-cluster": ("burst", ["--variants", "simple,queued", "--topology", "cluster"]),
    "python-tasks-on-cluster": ("python-tasks", ["--variants", "simple,queued", "--topology", "cluster"]),
}
PLOTS = {"acks": "Acks of messages", "jobs": "Jobs waiting or running"}  # the last word of a file: the card it shows
WIDTH = 560


def main() -> None:
    """Run, and write."""
    parser = argparse.ArgumentParser(prog="python -m tests.choosing", description=__doc__)
    parser.add_argument("presets", nargs="*", help=", ".join([*PRESETS, *ON_CLUSTER]))
    parser.add_argument("--out", type=Path, default=Path("var/choosing"), help="folder of the reports")
    parser.add_argument("--again", action="store_true", help="run nothing: the reports are there")
    asked = parser.parse_args()
    for preset in asked.presets or [*PRESETS, *ON_CLUSTER]:
        out = asked.out / preset
        if not asked.again:
            subprocess.run(command(preset, out), cwd=ROOT, check=True)
        report = reports.read(out / reports.JSON)
        write(preset, report)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            take_pictures(browser, preset, out / reports.HTML)
            browser.close()


def command(preset: str, out: Path) -> list[str]:
    """The comparison as it is run here."""
    return [sys.executable, "-m", "app", "compare", *options(preset), "--out", str(out)]


def options(preset: str) -> list[str]:
    """What it is told."""
    name, more = ON_CLUSTER.get(preset) or (preset, PRESETS[preset])
    return ["--preset", name, *more, "--seed", SEED]


def write(preset: str, report: Report) -> None:
    """Put what was found in its place in the page, between two marks."""
    _put(preset, block(preset, report))


def machine(report: Report) -> str:
    """Where and when."""
    of = report.machine
    return (
        f"Measured on {report.made[:10]}: {of['cores']} cores ({of['processor']}), {of['memory_gb']:.0f} GB, {of['system']}, "
        f"Python {of['python']}, seed {report.seed}."
    )


def _put(mark: str, content: str) -> None:
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, rest = PAGE.read_text().split(begin)
    _, after = rest.split(end)
    PAGE.write_text(f"{before}{begin}\n{content}\n{end}{after}")


def block(preset: str, report: Report) -> str:
    """Command, plots, verdicts and table, as Markdown."""
    found = reports.conclude(report)
    lines = ["```", f".venv/bin/python -m app compare {' '.join(options(preset))}", "```", ""]
    lines += [machine(report), ""]
    lines += [f"**{headline(found.verdicts, found.figures)}**", ""]
    for each in groups(found.verdicts, found.figures, report.workload.get("bounds", {})):
        tasks = ", ".join(f"`{task}`" for task in each.tasks)
        lines.append(" ".join([f"- {tasks}: **{each.take or 'none'}**.", each.reason, *each.turns]))
    lines += ["", *(f"![{title} under {preset}](choosing/{preset}-{name}.png)" for name, title in PLOTS.items()), ""]
    return "\n".join([*lines, *table(found)])


def table(found: Concluded) -> list[str]:
    """The table of the terminal, as Markdown."""

    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    names = list(found.figures)
    rows = [row([what.strip(), *cells]) for what, cells in reports.rows(found.figures)]
    return [row(["", *names]), row(["---"] * (len(names) + 1)), *rows]


def take_pictures(browser: Browser, preset: str, html: Path) -> None:
    """The plots of a report, as a reader in daylight sees them."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 900}, device_scale_factor=1.5, color_scheme="light")
    page.goto(html.resolve().as_uri())
    PICTURES.mkdir(exist_ok=True)
    for name, title in PLOTS.items():
        card = page.locator(".card").filter(has=page.get_by_role("heading", name=title, exact=True))
        card.screenshot(path=PICTURES / f"{preset}-{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
