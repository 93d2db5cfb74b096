"""The whole bench with tiny numbers: every kind of row runs, and its JSON has the shape that is promised. No speed is checked."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tests.bench import __main__ as bench
from tests.bench.peers.places import missing
from tests.bench.rows import rows

# One of each kind that starts quickly; `make bench-smoke` runs all rows, which takes a minute.
KINDS = ["echo", "fan1000", "connect", "message-jobs", "queued"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, parts: None) -> tuple[dict[str, object], str, str]:
    """The JSON, the Markdown and the printed table of one tiny run."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    ran = CliRunner().invoke(bench.main, ["--smoke", "--rows", ",".join(KINDS), "--json", str(file)])
    assert ran.exit_code == 0, ran.output
    return json.loads(file.read_text()), file.with_suffix(".md").read_text(), ran.stdout


def test_every_row_has_figures_for_every_side_that_is_installed(results: tuple[dict[str, object], str, str]) -> None:
    report, known = results[0], {row.name: row for row in rows()}
    assert [row["row"] for row in report["rows"]] == KINDS  # type: ignore[attr-defined]
    for row in report["rows"]:  # type: ignore[attr-defined]
        assert row["failed"] == {}
        expected = [side.name for side in known[row["row"]].sides if side.needs not in missing()]
        assert list(row["sides"]) == expected
        for figures in row["sides"].values():
            for figure, spread in figures.items():
                assert set(spread) == {"median", "low", "high", "values"}, figure
                assert len(spread["values"]) == 1


def test_every_line_has_a_value_and_a_verdict_where_one_is_asked_for(
    results: tuple[dict[str, object], str, str],
) -> None:
    for row in results[0]["rows"]:  # type: ignore[attr-defined]
        for line in row["lines"]:
            assert line["value"] is not None, line["title"]
            assert isinstance(line["reached"], bool) or not line["must"] or line["times_peer"] is None


def test_the_report_says_where_and_when_it_was_made(results: tuple[dict[str, object], str, str]) -> None:
    report = results[0]
    assert set(report) == {"command", "at", "seconds", "machine", "repeat", "missing", "rows"}
    assert set(report["machine"]) == {"cores", "pinned", "system", "python", "commit", "node"}  # type: ignore[call-overload]
    assert report["missing"] == missing()


def test_the_table_names_every_line(results: tuple[dict[str, object], str, str]) -> None:
    report, markdown, printed = results
    for row in report["rows"]:  # type: ignore[attr-defined]
        for line in row["lines"]:
            assert line["title"] in markdown
            assert line["title"].split(",")[0][:20] in printed


def test_a_row_that_does_not_exist_is_refused() -> None:
    ran = CliRunner().invoke(bench.main, ["--rows", "ecco"])
    assert ran.exit_code == 2
    assert "no row is called ecco" in ran.output


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in rows()]
    assert len(set(names)) == len(names)
