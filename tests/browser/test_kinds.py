"""Those who answer switch on what reads along in a room, and everybody there sees what it finds."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open


def test_a_switch_has_a_task_read_along_and_the_other_tab_sees_it(opened: Open, system: System, room: str) -> None:
    ann, ben = opened(system.url).join("Ann", room), opened(system.url).join("Ben", room)
    for tab in (ann, ben):
        tab.one("kinds-toggle").click()
        expect(tab.one("kind", task="redact")).not_to_be_checked()
        expect(tab.one("kind", task="triage")).to_be_checked()
    ann.one("kind", task="redact").check()
    expect(ben.one("kind", task="redact")).to_be_checked()
    ben.say("Call me on 020 7946 0018")
    expect(ann.chips("020 7946 0018", task="redact")).to_have_count(1)


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
    ann.one("kinds-toggle").click()
    ann.one("kind", task="appointment").check()
    ann.say("Can I come on 1 May 2099 at 10:00?")
    expect(ann.chips("1 May 2099", task="appointment")).to_have_text(re.compile("2099"))
