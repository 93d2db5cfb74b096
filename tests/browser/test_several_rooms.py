"""A person in several rooms: what is unread where, what is being written where, and the search of a room."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from app.compare.system import System
from tests.browser.conftest import Open
from tests.browser.tab import Tab
from tests.guest import Guest


@pytest.fixture
def other() -> str:
    """Another room of its own."""
    return f"room-{secrets.token_hex(6)}"


@pytest.fixture
def ben(system: System, other: str, guests: Callable[..., Guest]) -> Guest:
    """Ben in the other room."""
    guest = guests(system.url, "Ben")
    guest.join(other)
    return guest


def item(tab: Tab, room: str) -> Locator:
    """The line of a room in the list."""
    return tab.one("room-item", room=room)


def join_another(tab: Tab, room: str) -> None:
    """Go into a room that is not in the list yet."""
    tab.one("other-room-toggle").click()
    tab.one("other-room-name").fill(room)
    tab.one("other-room-name").press("Enter")
    expect(item(tab, room)).to_have_attribute("aria-current", "page")


def test_what_is_said_in_another_room_is_counted_shown_and_marked_where_it_begins(
    ann: Tab, ben: Guest, room: str, other: str
) -> None:
    join_another(ann, other)
    ben.say(other, "Ann saw this")
    expect(ann.message("Ann saw this")).to_be_visible()
    item(ann, room).click()
    expect(ann.page).to_have_url(f"{ann.url}/?room={room}")
    expect(ann.one("message")).to_have_count(0)

    ben.say(other, "and not\n this")
    ben.say(other, "nor that")

    expect(item(ann, other).get_by_test_id("room-unread")).to_contain_text("2")
    expect(item(ann, other)).to_contain_text("Ben: nor that")
    expect(ann.page).to_have_title(f"(2) {room} · Spillway")
    ann.page.reload()
    expect(item(ann, other).get_by_test_id("room-unread")).to_contain_text("2")
    ann.page.keyboard.press("Alt+ArrowDown")
    expect(ann.message("and not").get_by_test_id("unread-line")).to_be_visible()
    expect(item(ann, other).get_by_test_id("room-unread")).to_have_count(0)
    expect(ann.page).to_have_title(f"{other} · Spillway")
    ann.page.go_back()
    expect(item(ann, room)).to_have_attribute("aria-current", "page")


def test_what_is_being_written_stays_in_its_room(ann: Tab, room: str, other: str) -> None:
    ann.one("composer").fill("half a thought")
    join_another(ann, other)
    expect(ann.one("composer")).to_have_value("")
    ann.one("composer").fill("another one")
    item(ann, room).click()
    expect(ann.one("composer")).to_have_value("half a thought")
    ann.page.reload()
    expect(ann.one("composer")).to_have_value("half a thought")
    ann.one("composer").press("Enter")
    expect(ann.message("half a thought")).to_be_visible()
    item(ann, other).click()
    expect(ann.one("composer")).to_have_value("another one")
    expect(ann.one("message")).to_have_count(0)


def test_leaving_a_room_leads_to_the_next_and_from_the_last_one_out(ann: Tab, room: str, other: str) -> None:
    join_another(ann, other)
    ann.page.locator("#leave").click()
    expect(item(ann, room)).to_have_attribute("aria-current", "page")
    expect(item(ann, other)).to_have_count(0)
    ann.page.locator("#leave").click()
    expect(ann.one("join")).to_be_visible()


def test_a_room_that_cannot_be_called_so_is_not_joined(ann: Tab) -> None:
    ann.one("other-room-toggle").click()
    ann.one("other-room-name").fill("no spaces here")
    ann.one("other-room-join").click()
    expect(ann.page.get_by_role("alert").filter(has_text="A room is 1 to 64")).to_be_visible()
    expect(ann.one("room-item")).to_have_count(1)


@pytest.mark.slow
def test_a_search_finds_what_was_said_pages_ago_and_leads_there(
    opened: Open, system: System, ben: Guest, other: str
) -> None:
    ben.say(other, "The needle is HERE, in the haystack")
    for number in range(120):
        ben.emit("message:send", {"room": other, "key": f"hay-{number}", "text": f"straw {number}"})
    ben.say(other, "the last straw")
    ann = opened(system.url).join("Ann", other)
    expect(ann.message("the last straw")).to_be_visible()
    expect(ann.message("needle")).to_have_count(0)

    ann.page.locator("#log-scroll").focus()
    ann.page.keyboard.press("/")
    ann.page.keyboard.type("needle is here")

    expect(ann.one("search-status")).to_have_text("1 message")
    expect(ann.one("search-result").locator("mark")).to_have_text("needle is HERE")
    ann.page.keyboard.press("ArrowDown")
    ann.page.keyboard.press("Enter")
    expect(ann.message("needle")).to_be_in_viewport()
    expect(ann.message("needle")).to_be_focused()
    ann.one("search-words").fill("nobody said this")
    expect(ann.one("search-status")).to_have_text("No messages")
    ann.one("search-words").press("Escape")
    expect(ann.one("search")).to_be_hidden()


def test_keys_lead_from_message_to_message_copy_one_and_are_all_on_a_sheet(ann: Tab) -> None:
    ann.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for text in ("first of two", "second of two"):
        ann.say(text)
        expect(ann.message(text)).to_be_visible()
    keys = ann.page.keyboard
    keys.press("ArrowUp")
    expect(ann.message("second of two")).to_be_focused()
    keys.press("ArrowUp")
    expect(ann.message("first of two")).to_be_focused()
    keys.press("c")
    expect(ann.one("toast")).to_contain_text("Copied")
    assert ann.page.evaluate("navigator.clipboard.readText()") == "first of two"
    keys.press("?")
    expect(ann.one("keys")).to_be_visible()
    expect(ann.one("keys")).to_contain_text("search this room")
    keys.press("Escape")
    expect(ann.one("keys")).to_be_hidden()
    expect(ann.message("first of two")).to_be_focused()
    keys.press("Escape")
    expect(ann.one("composer")).to_be_focused()
    keys.type("a ? is no shortcut here")
    expect(ann.one("keys")).to_be_hidden()


def test_lists_and_code_are_shown_as_such_and_all_else_as_it_came(ann: Tab) -> None:
    ann.one("composer").fill(
        "Take:\n- water\n- <b>rest</b>\n3. third\n4. fourth\nrun `rm -rf` never\n```\nif a < b:\n    - 5\n```\n- 5 degrees"
    )
    ann.one("composer").press("Enter")
    message = ann.message("Take:")
    expect(message.locator("ul.findings li")).to_have_text(["water", "<b>rest</b>"])
    expect(message.locator("ol.findings li")).to_have_text(["third", "fourth"])
    assert message.locator("ol.findings li").first.get_attribute("value") == "3"
    expect(message.locator("p code")).to_have_text("rm -rf")
    assert message.locator("pre").text_content() == "if a < b:\n    - 5"
    expect(message.locator(".message-text").last).to_have_text("- 5 degrees")
    assert message.locator("b").count() == 0


def test_a_room_chooses_which_models_look_at_it_and_everybody_sees_the_choice(
    opened: Open, system: System, ann: Tab, room: str
) -> None:
    ben = opened(system.url).join("Ben", room)
    for tab in (ann, ben):
        tab.one("more-tasks").click()
        tab.one("room-tasks-open").click()
        expect(tab.one("room-task", task="sentiment")).to_be_checked()
        expect(tab.one("room-task", task="doses")).not_to_be_checked()
    ann.one("room-task", task="sentiment").click()
    ann.one("room-task", task="doses").click()
    expect(ben.one("room-task", task="sentiment")).not_to_be_checked()
    expect(ben.one("room-task", task="doses")).to_be_checked()
    ben.one("room-tasks-close").click()
    ben.say("Take 200 mg of ibuprofen twice a day")
    ben.found("200 mg", "triage", "doses")
    expect(ben.chips("200 mg", task="sentiment")).to_have_count(0)
