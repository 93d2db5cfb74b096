"""What somebody has not seen yet: a number, a line where it begins, and the title."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.tab import Tab

HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def begins_at(tab: Tab, text: str) -> None:
    """See the line above the message with this text, and nowhere else."""
    expect(tab.one("unread-line")).to_have_count(1)
    expect(tab.message(text).get_by_test_id("unread-line")).to_be_visible()


@pytest.mark.slow
def test_what_comes_while_the_reader_is_further_up_is_counted(ann: Tab, ben: Tab, room: str) -> None:
    for number in range(30):
        ben.say(f"line {number}")
    expect(ann.message("line 29")).to_be_in_viewport()
    expect(ann.page).to_have_title(f"{room} · Spillway")
    expect(ann.one("unread-line")).to_have_count(0)
    ann.page.locator("#log-scroll").focus()
    ann.page.keyboard.press("Home")
    expect(ann.message("line 29")).not_to_be_in_viewport()

    ben.say("one more")
    expect(ann.one("to-end")).to_have_text("1 new message")
    ben.say("and another")

    expect(ann.one("to-end")).to_have_text("2 new messages")
    expect(ann.page).to_have_title(f"(2) {room} · Spillway")
    begins_at(ann, "one more")

    ann.one("to-end").click()
    expect(ann.page).to_have_title(f"{room} · Spillway")
    expect(ann.one("to-end")).to_be_hidden()
    begins_at(ann, "one more")  # it says where the new ones began
    ann.say("Thank you")
    expect(ann.one("unread-line")).to_have_count(0)


def test_what_comes_while_another_tab_is_looked_at_is_in_the_title(ann: Tab, ben: Tab, room: str) -> None:
    ben.say("seen at once")
    expect(ann.message("seen at once")).to_be_visible()
    ann.page.evaluate(HIDE, True)
    ben.say("not seen yet")
    expect(ann.page).to_have_title(f"(1) {room} · Spillway")
    begins_at(ann, "not seen yet")
    ann.say("Ann answers")  # so she has seen it
    expect(ann.page).to_have_title(f"{room} · Spillway")
    ben.say("nor this")
    expect(ann.page).to_have_title(f"(1) {room} · Spillway")
    begins_at(ann, "nor this")

    ann.page.evaluate(HIDE, False)

    expect(ann.page).to_have_title(f"{room} · Spillway")
    begins_at(ann, "nor this")
