"""One new file in app/tasks is all it takes: shown on a copy of the repository."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from app.compare.system import ROOT, System, checkout_with
from app.ports import free_port
from tests.guest import WAIT, Guest
from tests.web import environment

SHOUT = '''
"""A message in capitals."""

from typing import TypedDict

from app.tasks import Said, Text, task


class Shouted(TypedDict):
    """The text, and how it was meant."""

    text: str
    times: int


def say(result: Shouted) -> Said:
    """The text."""
    return Said(result["text"])


@task(lane="loud", says=say)
def shout(text: Text, times: int = 1) -> Shouted:
    """Text in capitals"""
    return Shouted(text=" ".join([text.upper()] * times), times=times)
'''


def test_discovery_names_the_file_that_is_wrong(tmp_path: Path) -> None:
    root = checkout_with({}, tmp_path)
    wrong = {
        "empty.py": ("", "app/tasks/empty.py"),
        "other_name.py": (SHOUT, "app/tasks/other_name.py"),
        "orphan.py": (
            "from app.tasks import task\n@task(after='nobody')\ndef orphan() -> dict[str, int]: return {}\n",
            "orphan.*nobody",
        ),
        "circle.py": (
            "from app.tasks import task\n@task(after='circle')\ndef circle() -> dict[str, int]: return {}\n",
            "circle.*itself",
        ),
    }
    for name, (content, words) in wrong.items():
        file = root / "app" / "tasks" / name
        file.write_text(content)
        ended = subprocess.run(
            [sys.executable, "wsgi.py"],
            cwd=root,
            env=environment(DATA_DIR=str(tmp_path / "data"), PORT=str(free_port())),
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
        file.unlink()
        assert ended.returncode == 2
        assert "Traceback" not in ended.stderr
        lines = ended.stderr.strip().splitlines()
        assert len(lines) == 1, lines

        assert re.search(words, lines[0]), lines


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, ml_url: str) -> Iterator[str]:
    """The address of a whole system that runs in a copy with one file more."""
    root = checkout_with({"shout": SHOUT}, tmp_path_factory.mktemp("copy"))
    with System(root=root, ML_URL=ml_url) as system:
        yield system.url


@pytest.mark.parametrize("path", ["simple", "queued"])
def test_a_new_file_is_served(served: str, guests: Callable[..., Guest], room: str, path: str) -> None:
    requests.put(f"{served}/api/flags/shout", json={"path": path}, timeout=WAIT).raise_for_status()
    ann = guests(served, "Ann")
    ann.join(room)
    job = ann.ask(room, "shout", text="hear me", times=2)
    final = ann.final(job["id"])
    assert (final["state"], final["path"]) == ("succeeded", path)
    assert final["result"] == {"text": "HEAR ME HEAR ME", "times": 2}
    assert ann.saw("message:new", job=job["id"])["text"] == "HEAR ME HEAR ME"
    metrics = requests.get(f"{served}/metrics", timeout=WAIT).text
    assert f'spillway_jobs_total{{outcome="succeeded",path="{path}",task="shout"}} 1.0' in metrics


def test_its_arguments_are_checked_with_the_field_named(served: str, guests: Callable[..., Guest], room: str) -> None:
    ann = guests(served, "Ann")
    ann.join(room)
    request = {"room": room, "key": "k", "task": "shout"}
    assert ann.refused("job:create", {**request, "args": {"text": "x", "times": "two"}})["field"] == "args.times"
    assert ann.refused("job:create", {**request, "args": {"times": 2}})["field"] == "args.text"


def test_it_has_its_row_on_the_operator_page(served: str) -> None:
    listed = requests.get(f"{served}/api/tasks", timeout=WAIT).json()["tasks"]
    assert {
        "task": "shout",
        "about": "Text in capitals",
        "runs": ["request"],
        "lane": "loud",
        "args": {"text": "text", "times": "number"},
    } in listed
    assert "shout" in {row["task"] for row in requests.get(f"{served}/api/flags", timeout=WAIT).json()["flags"]}


def test_no_other_file_names_a_task_that_could_be_added() -> None:
    """Nothing lists the tasks: outside their own files only tests, pages and documents know their names."""
    names = {path.stem for path in (ROOT / "app" / "tasks").glob("*.py")} - {"__init__"}
    names.discard("reply")  # also the word of NATS and AsyncAPI for an answer
    for path in (ROOT / "app").rglob("*.py"):
        if path.parent.name in ("tasks", "compare"):  # a load must say which tasks it asks for
            continue
        words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not words & names, f"{path.relative_to(ROOT)} names {words & names}"
