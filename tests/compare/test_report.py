"""The report is one page and one file, both made from the runs alone, whatever was in them."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from app.compare.figures import figures
from app.compare.report import HTML, JSON, ReportInvalid, conclude, read, table, write
from app.compare.samples import Report, Run
from app.compare.system import ROOT
from tests.compare.samples import dropped, report, run, runs

NASTY = '<script>alert("x")</script>&amp;\'"><img src=x onerror=alert(1)>[bold]'


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def full() -> Report:
    """A report with everything in it."""
    measured = runs("simple") + runs("queued", slower=0.05) + runs("auto") + [dropped(each) for each in runs("plain")]
    for path in ("simple", "queued"):
        measured += [run(path, kind="step", factor=factor, acks_slower=0.05 * factor) for factor in (0.5, 1.0, 2.0)]
        measured.append(run(path, kind="overload", factor=2.0))
        measured.append(msgspec.structs.replace(run(path, kind="kill web process"), recovery=1.5))
    return report(measured)


def page(made: Report, folder: Path) -> str:
    """The page of a report."""
    return write(made, folder)[0].read_text()


def printed(made: Report) -> str:
    """The table on a terminal."""
    file = io.StringIO()
    table(made, Console(file=file, width=120))
    return file.getvalue()


def test_every_figure_can_be_computed_again_from_the_samples_in_the_file(tmp_path: Path) -> None:
    write(full(), tmp_path)
    there = json.loads((tmp_path / JSON).read_text())
    again = [msgspec.convert(each, Run) for each in there["runs"]]
    assert msgspec.to_builtins(figures(again, there["workload"]["bounds"])) == there["figures"]
    concluded = conclude(read(tmp_path / JSON))
    assert msgspec.to_builtins(concluded.verdicts) == there["verdicts"]
    assert msgspec.to_builtins(concluded.projection) == there["projection"]


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    made = full()
    write(made, tmp_path)
    again = read(tmp_path / JSON)
    assert again.runs == made.runs
    assert again.command == made.command
    assert [each["take"] for each in again.verdicts] == ["simple"] * 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is not a report"),
        ("{}", "is not a report"),
        ("not json", "is not a report"),
        ('{"schema": 99}', "is not a report"),
        ("\xff", "is not a report"),
    ],
)
def test_what_is_no_report_is_refused_with_its_reason(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / JSON).write_text(content, encoding="latin-1")
    with pytest.raises(ReportInvalid, match=says):
        read(tmp_path / JSON)


def test_a_report_that_is_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ReportInvalid, match="No such file"):
        read(tmp_path / "none.json")


def test_another_schema_is_refused_by_number(tmp_path: Path) -> None:
    write(msgspec.structs.replace(full(), schema=99), tmp_path)
    with pytest.raises(ReportInvalid, match="schema 99; this Spillway reads schema 1"):
        read(tmp_path / JSON)


def test_figures_that_are_none_are_refused(tmp_path: Path) -> None:
    write(full(), tmp_path)
    there = json.loads((tmp_path / JSON).read_text())
    there["figures"]["simple"]["ack"] = "quick"
    (tmp_path / JSON).write_text(json.dumps(there))
    with pytest.raises(ReportInvalid, match=r"\$\.figures"):
        read(tmp_path / JSON)


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    made = page(full(), tmp_path)
    elements = Elements(made).found
    assert not {tag for tag, _ in elements} & {"script", "link", "img", "iframe", "object"}
    assert not [value for _, attributes in elements for name, value in attributes.items() if name in ("src", "href")]
    assert not re.search(r"@import|url\((?!#)", made)


def test_every_plot_has_a_title_and_its_figures_in_words(tmp_path: Path) -> None:
    made = page(full(), tmp_path)
    plots = [attributes for tag, attributes in Elements(made).found if tag == "svg" and attributes.get("role") == "img"]
    ids = [attributes["id"] for _, attributes in Elements(made).found if attributes.get("id")]
    assert len(plots) == 9  # acks, three tasks, states, time, processor, memory, steps
    assert len(ids) == len(set(ids))
    for plot in plots:
        for named in (plot["aria-labelledby"] or "").split():
            assert named in ids
    assert re.findall(r"<title id=[^>]+>([^<]+)", made)
    assert all(re.findall(r"<desc id=[^>]+>([^<]+)", made))


@pytest.mark.parametrize("place", ["workload", "command", "cut_short", "machine", "finding", "task", "part"])
def test_what_others_named_is_text_and_never_markup(place: str, tmp_path: Path) -> None:
    made = full()
    if place == "workload":
        made.workload |= {"name": NASTY, "about": NASTY, "curve": [NASTY]}
    elif place == "machine":
        made.machine |= {NASTY: NASTY}
    elif place == "finding":
        made.runs[0].findings = [NASTY]
    elif place == "task":
        for job in made.runs[0].jobs:
            job.task = NASTY
    elif place == "part":
        for use in made.runs[0].uses:
            use.part = NASTY
    else:
        setattr(made, place, NASTY)
    html = page(made, tmp_path)
    assert not {tag for tag, _ in Elements(html).found} & {"script", "img"}
    assert "&lt;script&gt;" in html
    assert "[bold]" in html
    printed(made)  # no style of the terminal's either: an unknown one would raise


def test_a_report_cut_short_is_plainly_marked(tmp_path: Path) -> None:
    whole, cut = full(), report(runs("simple", 1), cut_short="stopped by hand", repeat=3, variants=["simple", "queued"])
    assert "Cut short" not in page(whole, tmp_path)
    assert "Cut short" not in printed(whole)
    html = page(cut, tmp_path)
    assert "Cut short" in html
    assert "stopped by hand" in html
    assert "queued was requested and not measured" in html
    assert "Cut short: stopped by hand" in printed(cut)
    assert read(tmp_path / JSON).cut_short == "stopped by hand"


def test_a_report_of_nothing_is_still_a_report(tmp_path: Path) -> None:
    made = report([], cut_short="the port is in use", variants=["simple"])
    html = page(made, tmp_path)
    assert "No path can be recommended" in html
    assert "the port is in use" in printed(made)
    assert read(tmp_path / JSON).runs == []


def test_runs_without_a_job_or_a_message_are_shown_as_such(tmp_path: Path) -> None:
    bare = Run(variant="simple", repeat=1, seconds=5.0, drained=None, acks=[], jobs=[], uses=[])
    assert "Nothing was measured" in page(report([bare]), tmp_path)
    printed(report([bare]))


def test_runs_of_other_kinds_alone_can_be_shown(tmp_path: Path) -> None:
    assert page(report([run("simple", kind="step"), run("queued", kind="kill worker")]), tmp_path)


def test_clients_that_were_late_themselves_are_named(tmp_path: Path) -> None:
    late = run()
    late.acks = [msgspec.structs.replace(ack, sent=ack.asked + 0.05) for ack in late.acks]
    assert "clients themselves were late" in page(report([late]), tmp_path)
    assert "clients themselves were late" not in page(full(), tmp_path)


def test_the_verdict_comes_first(tmp_path: Path) -> None:
    html = page(full(), tmp_path)
    places = [
        html.index(f'id="{each}"') for each in ("verdict", "times", "work", "cost", "all", "how", "paper", "doubts")
    ]
    assert places == sorted(places)
    assert html.index("Stay simple.") < places[0]


def test_the_terminal_says_what_the_page_says() -> None:
    said = printed(full())
    assert "Stay simple." in said
    assert "triage" in said
    assert "jobs offered" in said


def test_equal_verdicts_are_one_card_and_one_paragraph(tmp_path: Path) -> None:
    made = report(runs("simple", slower=25) + runs("queued", slower=22))
    html = page(made, tmp_path)
    verdicts = html.partition('id="verdict"')[2].partition("</section>")[0]
    assert re.findall(r'<h3>(.*?)</h3><span class="take queued">', verdicts) == ["language, triage", "summarize"]
    said = printed(made)
    assert "language, triage: queued." in said
    assert "neither path keeps 2 s for language and triage and 20 s for summarize under this load." in html
    assert "Already past it" in verdicts


def test_capacity_past_one_machine_is_folded(tmp_path: Path) -> None:
    html = page(full(), tmp_path)
    folded = re.findall(r"<details[^>]*>(.*?)</details>", html, re.DOTALL)
    assert len(folded) == 1
    assert "<details open" not in html
    assert "1.4 billion jobs a day" in folded[0]
    assert "1.4 billion jobs a day" not in html.replace(folded[0], "")
    assert folded[0].count("<table>") == 3  # simple, queued, auto


def colours(css: str, names: str) -> dict[str, str]:
    """The custom properties of these names, as they are declared."""
    return dict(re.findall(rf"--({names}): ([^;]+);", css))


def test_nothing_in_a_bar_has_the_colour_of_a_path() -> None:
    theme, style = ((ROOT / "app" / each).read_text() for each in ("static/style/theme.css", "compare/report.css"))
    for scheme in (0, 1):  # light, dark
        part = [each.split("@media (prefers-color-scheme: dark)")[scheme].split("@media")[0] for each in (theme, style)]
        paths = colours(part[0], "simple|queued|auto|plain|accent")
        paths = {name: paths.get(value[6:-1], value) for name, value in paths.items()}
        pieces = colours(part[1], "k[0-5]")
        assert len(pieces) == 6
        assert not set(pieces.values()) & set(paths.values())
        assert len(set(paths.values())) == 4  # the simple path has the accent


def test_the_queued_path_has_one_colour_on_every_page_and_in_the_report() -> None:
    sheets = [*(ROOT / "app" / "static" / "style").glob("*.css"), ROOT / "app" / "compare" / "report.css"]
    rules = [
        (selector, body)
        for sheet in sheets
        for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet.read_text())
        if "queued" in selector and re.search(r"(?:color|background|fill|stroke|--own): ", body)
    ]
    assert len(rules) >= 6
    for selector, body in rules:
        assert "var(--queued)" in body or "var(--own)" in body, selector


def test_a_line_of_jobs_ends_where_its_run_ended(tmp_path: Path) -> None:
    html = page(report(runs("simple", 1, slower=60) + runs("queued", 1)), tmp_path)
    plot = html.partition("Jobs waiting or running over time")[2].partition("</figure>")[0]
    ends = [int(points.split()[-1].split(",")[0]) for points in re.findall(r'polyline points="([^"]+)"', plot)][:2]
    assert ends[0] == 1000
    assert ends[1] < 500


def test_files_go_into_a_folder_that_is_made(tmp_path: Path) -> None:
    html, file = write(full(), tmp_path / "a" / "b")
    assert (html.name, file.name) == (HTML, JSON)
    assert html.stat().st_size
    assert file.stat().st_size
