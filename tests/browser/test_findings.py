"""What the models found: only what matters is loud, what takes long can be stopped, why something failed is in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, expect

from app.compare.system import System
from tests.browser.cable import changing
from tests.browser.conftest import Open, until
from tests.browser.gate import Gate
from tests.browser.tab import Tab
from tests.guest import WAIT
from tests.web import Web

ON_MESSAGES = ("triage", "language", "sentiment")
ROUTINE = "I would like an appointment on Monday"


@pytest.fixture
def troubled(gate: Gate, tmp_path: Path) -> Iterator[Web]:
    """A web process whose model server the test opens."""
    with Web(tmp_path, RATE_LIMIT="off", ML_URL=gate.url) as web:
        yield web
        gate.release()


def seconds(chip: Locator) -> int:
    """How long the chip says that its job is under way."""
    return int((chip.get_by_test_id("chip-time").text_content() or "").removesuffix(" s"))


def test_what_is_not_remarkable_is_one_quiet_line_that_opens(ann: Tab) -> None:
    ann.say(ROUTINE)
    ann.found(ROUTINE, *ON_MESSAGES)
    expect(ann.quiet(ROUTINE)).to_contain_text("English")
    expect(ann.quiet(ROUTINE)).to_contain_text("routine")
    for chip in ann.chips(ROUTINE).all():
        expect(chip).to_be_hidden()

    ann.quiet(ROUTINE).focus()
    ann.page.keyboard.press("Enter")

    for task in ON_MESSAGES:
        expect(ann.chips(ROUTINE, task=task)).to_be_visible()
        expect(ann.chips(ROUTINE, task=task)).to_contain_text("simple · ")


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("My father collapsed, he has crushing chest pain and cannot breathe", "triage"),
        ("This is terrible, I hate it, the worst and most awful day", "sentiment"),
        ("Guten Tag, wie komme ich morgen am besten zur Praxis?", "language"),
    ],
)
def test_what_is_urgent_upset_or_in_a_foreign_language_is_loud(ann: Tab, text: str, task: str) -> None:
    ann.say(text)
    ann.found(text, *ON_MESSAGES)
    expect(ann.chips(text, task=task)).to_be_visible()
    expect(ann.quiet(text)).to_be_visible()


@pytest.mark.slow
def test_a_job_that_takes_long_shows_its_time_and_can_be_cancelled(opened: Open, troubled: Web, gate: Gate) -> None:
    gate.lets_wait = True
    ann = opened(troubled.url).join("Ann", "lobby")
    ann.say(ROUTINE)
    expect(ann.quiet(ROUTINE)).to_have_text("Working on it…")
    for task in ON_MESSAGES:
        expect(ann.chips(ROUTINE, task=task)).to_be_visible()
    expect(ann.quiet(ROUTINE)).to_be_hidden()
    triage = ann.chips(ROUTINE, task="triage")
    first = seconds(triage)
    until(lambda: seconds(triage) > first, "its time is counted on")

    triage.get_by_test_id("chip-cancel").focus()
    ann.page.keyboard.press("Enter")

    expect(triage).to_have_attribute("data-state", "cancelled")
    expect(triage).to_be_hidden()
    expect(ann.quiet(ROUTINE)).to_have_text("Triage cancelled")
    expect(ann.quiet(ROUTINE)).to_be_focused()
    ann.close()


@pytest.mark.parametrize("size", [(390, 844), pytest.param((1280, 800), marks=pytest.mark.slow)])
def test_why_a_job_failed_is_there_to_read_in_words(
    opened: Open, troubled: Web, complaints: list[str], size: tuple[int, int]
) -> None:
    ann = opened(troubled.url, size=size, touch=True).join("Ann", "lobby")
    ann.say(ROUTINE)
    for task in ON_MESSAGES:
        failed = ann.chips(ROUTINE, task=task, state="failed")
        expect(failed).to_be_visible()
        expect(failed.locator(".chip-words")).to_have_text("failed: the model refused it")
        expect(failed.locator(".chip-words")).to_be_in_viewport()
    assert ann.fits()
    ann.close()


def test_who_asked_for_what_failed_can_try_it_again_in_the_chat(opened: Open, troubled: Web, gate: Gate) -> None:
    ann, ben = opened(troubled.url).join("Ann", "lobby"), opened(troubled.url).join("Ben", "lobby")
    ben.say("They are back, your iron is low.")
    ann.say("What can I eat?")
    expect(ann.one("message", kind="user")).to_have_count(2)
    ann.one("task-button", task="summarize").click()
    for tab in (ann, ben):
        expect(tab.one("message", kind="system")).to_contain_text("can be tried again")
        expect(tab.chips("this did not work", task="summarize", state="failed")).to_be_visible()
    expect(ben.message("this did not work").get_by_test_id("chip-retry")).to_have_count(0)
    ann.page.reload()
    again = ann.message("this did not work").get_by_test_id("chip-retry")
    expect(again).to_be_visible()

    gate.release()
    again.focus()
    ann.page.keyboard.press("Enter")

    for tab in (ann, ben):
        expect(tab.one("message", kind="ml")).to_contain_text("your iron is low")
        expect(tab.chips("this did not work")).to_have_count(0)  # the job is shown with its answer
        expect(tab.one("chip", task="summarize", state="succeeded")).to_have_count(1)
    expect(ann.one("tray-row")).to_have_count(0)

    ann.message("What can I eat?").get_by_role("button", name="Try again: Triage").click()
    ann.found("What can I eat?", "triage")
    ann.close()
    ben.close()


def test_what_was_dropped_meanwhile_cannot_be_tried_again_and_it_is_said(opened: Open, troubled: Web) -> None:
    ann = opened(troubled.url).join("Ann", "lobby")
    ann.say(ROUTINE)
    again = ann.message(ROUTINE).get_by_role("button", name="Try again: Triage")
    expect(again).to_be_visible()
    letters = requests.get(f"{troubled.url}/api/dead-letters", timeout=WAIT).json()["dead_letters"]
    for letter in letters:
        headers = {"Content-Type": "application/json"}
        requests.delete(f"{troubled.url}/api/dead-letters/{letter['id']}", headers=headers, timeout=WAIT)
    again.click()
    expect(ann.one("toast")).to_contain_text("only a job that failed for good, and is still kept")
    ann.close()


def test_a_shade_of_bad_mood_is_quiet(opened: Open, system: System, room: str) -> None:
    def shade(value: dict[str, Any]) -> None:
        if "label" in value and "score" in value:
            value |= {"label": "negative", "score": -0.2}

    ann = opened(system.url)
    ann.page.route_web_socket("**/socket.io/**", changing(shade))
    ann.join("Ann", room)
    ann.say(ROUTINE)
    ann.found(ROUTINE, *ON_MESSAGES)
    expect(ann.quiet(ROUTINE)).to_contain_text("negative")
    expect(ann.chips(ROUTINE, task="sentiment")).to_be_hidden()


def test_what_was_cancelled_leaves_the_tray(opened: Open, troubled: Web, gate: Gate) -> None:
    gate.lets_wait = True
    ann = opened(troubled.url).join("Ann", "lobby")
    ann.one("task-button", task="summarize").click()
    expect(ann.one("tray-row")).to_have_count(1)
    ann.one("job-cancel").click()
    expect(ann.one("tray-row")).to_have_count(0)
    ann.close()
