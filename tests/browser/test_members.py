"""Who is in the room: few as they come and go, and many without naming each."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from app.compare.system import System
from tests.browser.cable import Interpreter
from tests.browser.conftest import Open
from tests.browser.tab import Tab

CROWD = [{"id": f"p{number:04}", "name": f"Person {number:04}"} for number in range(450)]


def rows(tab: Tab) -> Locator:
    """The people named in the list."""
    return tab.one("members").locator("li")


def test_who_comes_and_goes_is_followed_and_two_tabs_are_one_person(opened: Open, system: System, room: str) -> None:
    ann, ben = opened(system.url).join("Ann", room), opened(system.url).join("Ben", room)
    expect(rows(ann)).to_have_text(["AAnnyou", "BBen"])
    expect(ann.one("members-more")).to_be_hidden()
    ben.close()
    expect(rows(ann)).to_have_text(["AAnnyou"])


@pytest.fixture
def crowd(room: str) -> Interpreter:
    """A room of 451 for those who connect through it: 200 come with the join, 200 with each page."""

    def change(value: dict[str, Any]) -> None:
        if "seq" in value and "members" in value:
            value |= {"members": CROWD[:200], "member_count": 451}
        elif {"room", "members"} == set(value) or {"joined", "left"} & set(value):
            value["room"] = "another"  # what the server says of the room as it is

    def page(data: dict[str, Any]) -> dict[str, Any]:
        people = [each for each in CROWD if each["id"] > data.get("after", "")]
        more = {"more": True} if len(people) > 200 else {}
        return {"ok": True, "members": people[:200], "count": 451, **more}

    return Interpreter(change, {"room:who": page})


@pytest.fixture
def ann(opened: Open, system: System, room: str, crowd: Interpreter) -> Tab:
    """Ann among many."""
    tab = opened(system.url)
    tab.page.route_web_socket("**/socket.io/**", crowd.plug)
    return tab.join("Ann", room)


def test_a_crowd_is_counted_and_its_first_people_and_oneself_are_named(ann: Tab) -> None:
    expect(ann.one("members-count")).to_have_text("451")
    expect(ann.page.get_by_role("heading", name="In this room: 451")).to_be_visible()
    expect(rows(ann)).to_have_count(201)
    expect(rows(ann).first).to_have_text("AAnnyou")
    expect(ann.one("members-more")).to_have_text("and 250 more: show all")


def test_changes_are_taken_person_by_person_and_twice_is_once(ann: Tab, crowd: Interpreter, room: str) -> None:
    joined = [{"id": "new", "name": "Nina"}, {"id": "p0000", "name": "Person 0000"}]
    for _ in range(2):
        crowd.say("room:members", {"room": room, "joined": joined, "left": ["p0001", "unknown"], "count": 450})
    expect(ann.one("members-count")).to_have_text("450")
    expect(rows(ann)).to_have_count(201)
    expect(rows(ann).nth(1)).to_contain_text("Nina")
    expect(ann.page.locator('.member[data-id="p0000"]')).to_have_count(1)
    expect(ann.page.locator('.member[data-id="p0001"]')).to_have_count(0)

    crowd.say("room:members", {"room": room, "joined": [], "left": [], "count": 380})
    expect(ann.one("members-more")).to_have_text("and 179 more: show all")
    crowd.say("room:members", {"room": room, "count": 100})
    expect(ann.one("members-count")).to_have_text("100")
    expect(ann.one("members-more")).to_have_text("Show who is here now")


def test_everybody_can_be_shown_page_by_page(ann: Tab, crowd: Interpreter, room: str) -> None:
    crowd.say("room:members", {"room": room, "joined": [{"id": "gone", "name": "Gone"}], "left": [], "count": 451})
    expect(ann.page.locator('.member[data-id="gone"]')).to_have_count(1)
    ann.one("members-more").focus()
    ann.page.keyboard.press("Enter")
    expect(rows(ann)).to_have_count(451)
    expect(ann.page.locator('.member[data-id="gone"]')).to_have_count(0)
    expect(ann.one("members-more")).to_be_hidden()
    assert [data.get("after") for _, data in crowd.asked] == [None, "p0199", "p0399"]


def test_a_new_name_takes_the_place_of_the_old_one(ann: Tab, crowd: Interpreter, room: str) -> None:
    renamed = {"id": "p0005", "name": "Zoe"}
    crowd.say("room:members", {"room": room, "joined": [renamed], "left": [], "count": 451})
    expect(rows(ann).last).to_contain_text("Zoe")
    expect(ann.page.locator('.member[data-id="p0005"]')).to_have_count(1)
