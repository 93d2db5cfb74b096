"""The complete example on the page about tasks works: its file, its own tests, and the errors it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.compare.system import ROOT, checkout_with
from tests.guest import WAIT, Guest
from tests.web import Web

PAGE = (ROOT / "docs" / "tasks.md").read_text()


def block(heading: str) -> tuple[str, str]:
    """The file that a section of the page tells to save, and its content."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(r"[Ss]ave (?:it|this) as `(\S+)`.*?```python\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1], found[2]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of Spillway with the two files of the page and no other change."""
    root = checkout_with({}, tmp_path_factory.mktemp("page"))
    for heading in ("A complete example", "Testing a task"):
        name, content = block(heading)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.fixture(scope="module")
def web(checkout: Path, ml_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A real web process of that copy."""
    with Web(tmp_path_factory.mktemp("data"), checkout, ML_URL=ml_url) as running:
        yield running


def test_the_example_uses_all_that_the_page_promises() -> None:
    _, content = block("A complete example")
    for word in ("after=", "history=", "says=", "when=", "chip=", "from app.tasks.triage import Triage"):
        assert word in content


def test_every_name_that_a_task_may_import_is_in_the_table_and_can_be_imported() -> None:
    section = PAGE.partition("## Where names are imported from\n")[2].partition("\n## ")[0]
    lines = re.findall(r"`(from [\w.]+ import \w+(?: as \w+)?)`", section)
    assert len(lines) >= 8
    for line in lines:
        exec(line, {})  # lines of our own page


def test_an_urgent_message_has_its_note_with_who_else_is_there(
    web: Web, guests: Callable[..., Guest], room: str
) -> None:
    ben, ann = guests(web.url, "Ben"), guests(web.url, "Ann")
    ben.join(room)
    ann.join(room)
    ben.say(room, "I am at the desk")
    text = "My father has crushing chest pain and cannot breathe, help"

    message = ann.say(room, text)

    job = ben.found(message["seq"], "hand_over")["hand_over"]
    assert job["state"] == "succeeded"
    assert job["result"] == {"urgency": "emergency", "quote": text[:80], "others": ["Ben"]}
    note = ben.saw("message:new", job=job["id"])
    assert note["text"] == f"Please take over (emergency): “{text[:80]}” In the room: Ben."


def test_a_message_that_is_not_urgent_has_no_job(web: Web, guests: Callable[..., Guest], room: str) -> None:
    ann = guests(web.url, "Ann")
    ann.join(room)
    quiet = ann.say(room, "Thank you very much, see you next week")
    urgent = ann.say(room, "My father has crushing chest pain and cannot breathe, help")
    ann.found(quiet["seq"], "triage")
    ann.found(urgent["seq"], "hand_over")  # made after whatever would follow the first triage
    assert not ann.all("job:update", message=quiet["seq"], task="hand_over")


def test_the_tests_on_the_page_pass(checkout: Path) -> None:
    file, _ = block("Testing a task")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_the_places_where_errors_show_are_on_the_page() -> None:
    section = PAGE.partition("## Where errors show\n")[2].partition("\n## ")[0]
    for place in ("`a task raised`", "`at=FILE:LINE`", "dead-letters show ID", "/operator", "GET /api/dead-letters/ID"):
        assert place in section
