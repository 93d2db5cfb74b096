"""The notice of an emergency: how it looks, where it leads, and how somebody who knows better dismisses it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from app.compare.system import System
from tests.browser.cable import changing
from tests.browser.conftest import Open
from tests.browser.tab import Tab

EMERGENCY = "My father collapsed, he has crushing chest pain and cannot breathe"


def notice(tab: Tab) -> Locator:
    """The notice in the room."""
    return tab.one("notice")


def soften(value: dict[str, Any]) -> None:
    """Make each notice a soft one, as the server does where the model is not sure."""
    if value.get("task") == "escalate" and "person" in value:
        value["level"] = "soft"


@pytest.mark.parametrize("size", [(1440, 900), pytest.param((390, 844), marks=pytest.mark.slow)])
def test_its_words_share_one_wide_column_between_icon_and_time(
    opened: Open, system: System, room: str, size: tuple[int, int]
) -> None:
    tab = opened(system.url, size=size).join("Ann", room)
    tab.say(EMERGENCY)
    expect(notice(tab)).to_be_visible()
    boxes = {
        name: notice(tab).locator(selector).bounding_box()
        for name, selector in {
            "about": ".notice-about",
            "text": ".message-text",
            "words": ".notice-words",
            "icon": ".icon",
            "time": ".message-time",
        }.items()
    }
    whole = notice(tab).bounding_box()
    assert whole
    assert all(boxes.values())
    right = {name: box["x"] + box["width"] for name, box in boxes.items() if box}
    left = {name: box["x"] for name, box in boxes.items() if box}
    assert right["icon"] <= left["words"]
    assert right["words"] <= left["time"]
    assert left["about"] == left["text"]
    assert boxes["words"]["width"] > whole["width"] * 0.6  # type: ignore[index]  # seen above
    assert boxes["about"]["height"] < 40  # type: ignore[index]  # one line
    assert tab.fits()


def test_its_link_goes_to_the_message_it_is_about(ann: Tab) -> None:
    ann.say(EMERGENCY)
    expect(notice(ann)).to_contain_text("About what Ann wrote")
    for number in range(20):
        ann.say(f"line {number}")
    expect(ann.message("line 19")).to_be_in_viewport()
    expect(ann.message("My father")).not_to_be_in_viewport()

    ann.one("notice-about").focus()
    ann.page.keyboard.press("Enter")

    expect(ann.message("My father")).to_be_in_viewport()
    expect(ann.one("message", seq=1)).to_be_focused()
    assert "#" not in ann.page.url


@pytest.mark.slow
def test_its_link_fetches_a_message_that_is_not_shown_yet(opened: Open, ann: Tab, system: System, room: str) -> None:
    ann.say("something long ago")
    for number in range(120):
        ann.say(f"line {number}")
    expect(ann.message("line 119")).to_be_visible()

    def about_the_first(value: dict[str, Any]) -> None:
        if value.get("task") == "escalate" and "person" in value:
            value["message"] = 1

    ben = opened(system.url)
    ben.page.route_web_socket("**/socket.io/**", changing(about_the_first))
    ben.join("Ben", room)
    ben.say(EMERGENCY)
    expect(notice(ben)).to_be_visible()
    assert ben.one("message", seq=1).count() == 0

    ben.one("notice-about").click()

    expect(ben.one("message", seq=1)).to_be_in_viewport()
    expect(ben.one("message", seq=1)).to_be_focused()


def test_not_an_emergency_puts_a_quiet_line_in_its_place_and_is_remembered_for_this_viewer(
    opened: Open, ann: Tab, system: System, room: str
) -> None:
    ben = opened(system.url).join("Ben", room)
    ann.say(EMERGENCY)
    ann.one("notice-dismiss").focus()
    ann.page.keyboard.press("Enter")
    expect(notice(ann)).to_contain_text("You dismissed a notice")
    expect(notice(ann)).not_to_contain_text("emergency services")
    expect(ann.one("notice-restore")).to_be_focused()

    ann.page.reload()
    expect(notice(ann)).to_contain_text("You dismissed a notice")
    expect(notice(ben)).to_contain_text("emergency services")

    ann.one("notice-restore").click()
    expect(notice(ann)).to_contain_text("emergency services")


def test_a_soft_notice_looks_soft_and_is_not_an_alarm(opened: Open, system: System, room: str) -> None:
    ann, ben = opened(system.url), opened(system.url).join("Ben", room)
    ann.page.route_web_socket("**/socket.io/**", changing(soften))
    ann.join("Ann", room)
    ben.say(EMERGENCY)
    expect(notice(ann)).to_have_attribute("data-level", "soft")
    expect(notice(ben)).to_have_attribute("data-level", "loud")
    border = "element => getComputedStyle(element).borderTopStyle"
    assert notice(ann).evaluate(border) == "dashed"
    assert notice(ben).evaluate(border) == "solid"
    expect(ben.page.locator("#alarm")).to_contain_text("emergency services")
    expect(ann.page.locator("#announcer")).to_contain_text("emergency services")
    expect(ann.page.locator("#alarm")).to_be_empty()
    expect(ann.one("notice-dismiss")).to_be_visible()
