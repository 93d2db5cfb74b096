"""What somebody sees who made a mistake in a task of their own: one line in the log, the traceback with the dead letter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from app.compare.system import System, checkout_with
from app.contract import MAX_TRACEBACK_BYTES
from tests.guest import WAIT, Guest
from tests.run.test_supervisor import until
from tests.web import ended

RECKLESS = """
from typing import TypedDict

from app.tasks import Text, task


class Share(TypedDict):
    each: float


def divide(text: str) -> float:
    return 100 / len(text.split("none")[0])


@task(attempts=1)
def reckless(text: Text) -> Share:
    return Share(each=divide(text))
"""
LINE = 1 + RECKLESS.splitlines().index('    return 100 / len(text.split("none")[0])')


@pytest.fixture(scope="module")
def system(ml_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with a task that divides by zero."""
    root = checkout_with({"reckless": RECKLESS}, tmp_path_factory.mktemp("copy"))
    with System(root=root, ML_URL=ml_url, RATE_LIMIT="off", LOG_FORMAT="json") as running:
        yield running


@pytest.mark.parametrize("path", ["simple", "queued"])
def test_a_task_that_raises_leaves_one_line_and_a_traceback(
    system: System, guests: Callable[..., Guest], path: str
) -> None:
    system.flag(path)
    mark = len(system.log.read_text())
    ann = guests(system.url, "Ann")
    ann.join("lobby")

    job = ann.ask("lobby", "reckless", text="none")
    final = ann.final(job["id"])

    assert final["path"] == path
    assert set(final["error"]) <= {"code", "message", "retryable"}
    assert "traceback" not in requests.get(f"{system.url}/api/jobs/{job['id']}", timeout=WAIT).json()["error"]

    def lines() -> list[str]:
        return [line for line in system.log.read_text()[mark:].splitlines() if job["id"] in line]

    until(lines, "nobody logs it")  # a worker's lines pass through the process that started it
    assert len(lines()) == 1
    for words in ('"task": "reckless"', '"room": "lobby"', f"app/tasks/reckless.py:{LINE}", "division by zero"):
        assert words in lines()[0]
    letter = requests.get(f"{system.url}/api/dead-letters/{job['id']}", timeout=WAIT).json()
    assert f'reckless.py", line {LINE}, in divide' in letter["traceback"]
    assert letter["traceback"].rstrip().endswith("ZeroDivisionError: division by zero")
    assert len(letter["traceback"].encode()) <= MAX_TRACEBACK_BYTES
    assert "traceback" not in letter["error"]
    (listed,) = [
        each
        for each in requests.get(f"{system.url}/api/dead-letters", timeout=WAIT).json()["dead_letters"]
        if each["id"] == job["id"]
    ]
    assert "traceback" not in {*listed, *listed["error"]}


WRONG = {
    "takes too much": (
        "from app.tasks import Text, task\n\n\n@task(after='triage')\ndef wrong(triage: dict, more: str) -> dict:\n    return {}\n",
        r"^app/tasks/wrong\.py: task wrong follows triage: .*, not more$",
    ),
    "is no Python": ("def wrong(:\n", r"^app/tasks/wrong\.py cannot be imported: SyntaxError: .*"),
    "raises": ("x = 1\ny = x / 0\n", r"^app/tasks/wrong\.py cannot be imported: .*division by zero.*wrong\.py:2\)$"),
    "follows nobody": (
        "from app.tasks import task\n\n\n@task(after='nobody')\ndef wrong() -> dict:\n    return {}\n",
        r"^app/tasks/wrong\.py: task wrong runs after nobody, which is not in app/tasks$",
    ),
}


@pytest.mark.parametrize("command", [["-m", "app.run"], ["wsgi.py"], ["-m", "app.worker"]], ids=" ".join)
@pytest.mark.parametrize(
    "wrong", [next(iter(WRONG)), *(pytest.param(w, marks=pytest.mark.slow) for w in list(WRONG)[1:])]
)
def test_a_declaration_that_cannot_work_ends_the_start_with_one_sentence(
    tmp_path: Path, wrong: str, command: list[str]
) -> None:
    text, sentence = WRONG[wrong]
    root = checkout_with({"wrong": text}, tmp_path)
    settings = {"DATA_DIR": str(tmp_path / "data"), "PORT": "0"}
    if command[-1] == "app.worker":
        settings["NATS_URL"] = "nats://127.0.0.1:1"

    done = ended(command, settings, root)

    assert done.returncode == 2
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1), done.stderr
    assert re.search(sentence, done.stderr)
