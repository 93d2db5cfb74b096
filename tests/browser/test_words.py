"""Words for people: sizes, results, and how a task words its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.compare.system import System, checkout_with
from tests.browser.conftest import Open
from tests.web import Web

TASKS = {
    "measure": '''
"""How long a message is."""

from typing import TypedDict

from app.tasks import Text, task


class Measured(TypedDict):
    """Its letters, and how much of it is in capitals."""

    letters: int
    capitals: float


@task(runs=("message", "request"), chip="{letters} letters, {capitals} of them {{capitals}}")
def measure(text: Text) -> Measured:
    """Length of a message"""
    return Measured(letters=len(text), capitals=sum(map(str.isupper, text)) / len(text))
''',
    "doses": r'''
"""The doses in a message."""

import re
from typing import TypedDict

from app.tasks import Text, task


class Doses(TypedDict):
    """Every dose as it was written."""

    doses: list[str]


@task(runs=("message", "request"))
def doses(text: Text) -> Doses:
    """Doses in a message"""
    return Doses(doses=re.findall(r"\d+ mg", text))
''',
}


@pytest.fixture
def with_tasks(tmp_path: Path, ml_url: str) -> Iterator[Web]:
    """A web process that has two tasks more."""
    root = checkout_with(TASKS, tmp_path)
    with Web(tmp_path / "data", root, RATE_LIMIT="off", ML_URL=ml_url) as web:
        yield web


def test_a_task_words_its_own_chip_and_a_single_field_is_not_named(opened: Open, with_tasks: Web) -> None:
    ann = opened(with_tasks.url).join("Ann", "lobby")
    for text, words in (("Take 5 mg", "5 mg"), ("Take it", "none")):
        ann.say(text)
        ann.found(text, "measure", "doses")
        expect(ann.chips(text, task="doses").locator(".chip-words")).to_have_text(words)
        expect(ann.chips(text, task="measure").locator(".chip-words")).to_have_text(
            f"{len(text)} letters, {1 / len(text):.2f} of them {{capitals}}"
        )
    ann.page.reload()
    expect(ann.chips("Take 5 mg", task="measure").locator(".chip-words")).to_contain_text("9 letters")

    operator = opened(with_tasks.url).operator()
    expect(operator.one("recent")).to_contain_text("9 letters, 0.11 of them {capitals}")
    for tab in (ann, operator):
        tab.close()


def test_an_image_that_is_too_large_is_refused_in_units_people_know(
    opened: Open, system: System, room: str, tmp_path: Path, complaints: list[str]
) -> None:
    ann = opened(system.url).join("Ann", room)
    large = tmp_path / "large.png"
    large.write_bytes(b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(1_100_000))  # the system takes 1,000,000
    ann.upload(large)
    expect(ann.one("transfer", state="failed")).to_contain_text("at most 976.6 KB")
    expect(ann.one("transfer", state="failed")).not_to_contain_text("bytes")
    expect(ann.one("transfer", state="failed")).not_to_contain_text("MAX_UPLOAD_BYTES")
    complaints.clear()  # a browser notes each answer that refuses
