"""Those who answer switch on what reads along in a room, and everybody there sees what it finds."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open


def test_a_form_leaves_out_what_may_be_left_out(opened: Open, system: System, room: str) -> None:
    ann = opened(system.url).join("Ann", room)
    ann.one("more-tasks").click()
    ann.one("task-button", task="remind").click()
    ann.one("ask-text").fill("Drink")
    ann.one("ask-in_s").fill("0.1")
    ann.one("ask-send").click()
    expect(ann.message("Reminder: Drink")).to_have_count(1)


def test_what_somebody_means_by_tomorrow_is_in_their_own_time_zone(opened: Open, system: System, room: str) -> None:
    ann = opened(system.url).join("Ann", room)
    ann.one("more-tasks").click()
    ann.one("room-tasks-open").click()
    ann.one("room-task", task="appointment").check()
    ann.one("room-tasks-close").click()
    ann.say("Can I come on 1 May 2099 at 10:00?")
    expect(ann.chips("1 May 2099", task="appointment")).to_have_text(re.compile("May 1, 2099, 10:00"))


def test_what_was_found_is_said_in_words_and_not_in_names_of_fields(opened: Open, system: System, room: str) -> None:
    ann = opened(system.url).join("Ann", room)
    ann.one("more-tasks").click()
    ann.one("room-tasks-open").click()
    for task in ("doses", "suggest"):
        ann.one("room-task", task=task).check()
    ann.one("room-tasks-close").click()
    ann.say("Take 0.5 g paracetamol and two tablets of iron")
    expect(ann.chips("paracetamol", task="doses").locator(".chip-words")).to_have_text("500 mg, 2 tablet")
    ann.say("How do I get a repeat prescription?")
    expect(ann.quiet("repeat prescription")).to_contain_text("an answer is known")
