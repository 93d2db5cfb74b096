"""`python -m app compare` as it is typed: what it refuses, what it writes when it is cut short, what it leaves behind."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from app.__main__ import main
from app.compare import report as reports
from app.compare import workload
from app.compare.samples import Report
from app.compare.system import ROOT
from tests.guest import WAIT

SMALL = 'about = "few [words]"\nseconds = {seconds}\nrate = 10\nrooms = 2\nmodels = "synthetic"\n'
MARK = "COMPARISON_OF_A_TEST"


class Comparing:
    """The command under way, and every process it has started: they all inherit a mark in their environment."""

    def __init__(
        self, folder: Path, seconds: float, *options: str, python: str = sys.executable, **settings: str
    ) -> None:
        self.out, self._mark = folder / "out", secrets.token_hex(8)
        file = folder / "small.toml"
        file.write_text(SMALL.format(seconds=seconds))
        self.process = subprocess.Popen(
            [python, "-m", "app", "compare", "--workload", str(file), "--out", str(self.out), "--seed", "3", *options],
            cwd=ROOT,
            env={**os.environ, **settings, MARK: self._mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.seen: dict[str, set[int]] = {}  # process IDs by a word of their command lines

    def left(self) -> list[str]:
        """The command lines of everything it has started that runs now."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
                    for word in ("app.compare.driver", "app.run"):
                        if word in found[-1]:
                            self.seen.setdefault(word, set()).add(process.pid)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def until(self, word: str, count: int) -> None:
        """Wait until so many processes with this word in their command lines have come."""
        until = time.monotonic() + WAIT * 2
        while len(self.seen.get(word, ())) < count:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until
            self.left()
            time.sleep(0.02)

    def ended(self, code: int) -> tuple[str, str]:
        """What it printed; it has ended with this code, without a traceback, and has left nothing behind."""
        out, err = self.process.communicate(timeout=WAIT * 4)
        assert "Traceback" not in out + err
        assert self.process.returncode == code, err
        assert self.left() == []
        return out, err

    def report(self) -> Report:
        """What it wrote."""
        return reports.read(self.out / reports.JSON)

    def cut_short(self, words: str, runs: int) -> None:
        """It says so at the top of all it wrote, and holds the runs that came to their end."""
        out, _ = self.ended(1)
        report = self.report()
        assert words in (report.cut_short or "")
        assert len(report.runs) == runs
        assert out.startswith("Cut short: ")
        assert words in " ".join((self.out / reports.HTML).read_text().split())


@pytest.fixture
def comparing(parts: None, tmp_path: Path) -> Iterator[Callable[..., Comparing]]:
    """Starts the command; what a failed test leaves is killed."""
    started: list[Comparing] = []

    def start(seconds: float, *options: str, **more: str) -> Comparing:
        started.append(Comparing(tmp_path, seconds, *options, **more))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.terminate()
            each.process.communicate(timeout=WAIT)


def refused(*options: str, **environment: str) -> str:
    """The one sentence with which it refuses to begin."""
    done = CliRunner().invoke(main, ["compare", *options], env=environment)
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit)
    return done.output


def test_a_comparison_ends_with_a_report_and_leaves_no_process(comparing: Callable[..., Comparing]) -> None:
    started = comparing(1, "--variants", "simple", "--json", MAX_INFLIGHT="7", LEDGER="off")
    out, err = started.ended(0)
    printed: dict[str, Any] = json.loads(out)
    assert printed["machine"]["max_inflight"] == 7
    assert printed["cut_short"] is None
    assert printed["command"].startswith("python -m app compare --workload")
    assert [run["variant"] for run in printed["runs"]] == ["simple"]
    assert {row[2] for row in printed["runs"][0]["jobs"]} == {"succeeded"}
    assert "few [words]" in err
    assert started.report().seed == 3


@pytest.mark.slow
def test_ctrl_c_keeps_the_runs_that_are_complete(comparing: Callable[..., Comparing]) -> None:
    started = comparing(1, "--variants", "simple,plain")
    started.until("app.compare.driver", 3)  # the first run had two: this is the second
    started.process.send_signal(signal.SIGINT)
    started.cut_short("stopped by hand", 1)


@pytest.mark.slow
def test_sigterm_in_the_first_run_is_a_report_without_figures(comparing: Callable[..., Comparing]) -> None:
    started = comparing(600, "--variants", "queued")
    started.until("app.compare.driver", 2)
    started.process.send_signal(signal.SIGTERM)
    started.cut_short("stopped by hand", 0)


@pytest.mark.slow
def test_ctrl_c_again_and_again_before_anything_is_ready_changes_nothing(comparing: Callable[..., Comparing]) -> None:
    started = comparing(600, "--variants", "simple")
    started.until("app.run", 1)
    while started.process.poll() is None:
        started.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        if (started.out / reports.HTML).exists():
            break  # it is written: whatever comes now ends a command that has done its work
    started.cut_short("stopped by hand", 0)


@pytest.mark.slow
def test_a_variant_that_does_not_start_is_named_and_what_was_measured_is_kept(
    comparing: Callable[..., Comparing], tmp_path: Path
) -> None:
    """A Python without the wheel that holds nats-server."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "lib").symlink_to(Path(sys.prefix) / "lib")
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", tmp_path)
    path = [each for each in os.environ["PATH"].split(os.pathsep) if not (Path(each) / "nats-server").exists()]
    started = comparing(
        1, "--variants", "simple,queued", python=str(tmp_path / "bin" / "python"), PATH=os.pathsep.join(path)
    )
    started.cut_short("queued did not start: nats-server is not installed", 1)
    assert started.report().runs[0].variant == "simple"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('about = "so"\nseconds = 3\nrate = -1\n', "Error: bad.toml: Expected `float` > 0.0 - at `rate`\n"),
        ('about = "so"\nrate = 1\n', "Error: bad.toml: Object missing required field `seconds`\n"),
        ("= so", "Error: bad.toml is not TOML: Invalid statement (at line 1, column 1)\n"),
    ],
)
def test_a_bad_workload_is_one_sentence(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(content)
    assert refused("--workload", str(file), "--out", str(tmp_path / "out")) == words
    assert not (tmp_path / "out").exists()


def test_what_there_is_not_is_named_with_what_there_is(tmp_path: Path) -> None:
    assert refused("--variants", "simple,fast") == (
        "Error: --variants: unknown variant 'fast'; expected some of simple, queued, auto, plain\n"
    )
    assert "unknown preset 'storm'; expected one of burst, chatty" in refused("--preset", "storm")
    assert "one of them" in refused("--preset", "burst", "--workload", str(ROOT / "docs" / "examples" / "clinic.jsonl"))
    assert "nowhere.toml" in refused("--workload", "nowhere.toml")
    assert "--repeat" in refused("--repeat", "0")
    assert "LOG_FORMAT='nonsense'" in refused("--preset", "burst", LOG_FORMAT="nonsense")


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--out: cannot create the folder" in refused("--out", str(tmp_path / "file" / "out"))


def test_the_presets_can_be_listed() -> None:
    done = CliRunner().invoke(main, ["compare", "--preset", "list"])
    assert done.exit_code == 0
    assert done.output.split() == workload.presets()
