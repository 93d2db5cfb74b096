"""The panel of paths in the chat: closed until somebody wants it, and then it says what this room takes."""

from __future__ import annotations

from playwright.sync_api import expect

from app.compare.system import System
from app.flags.rollout import share
from tests.browser.conftest import Open

TASK = "sentiment"


def test_it_is_closed_until_somebody_opens_it(opened: Open, system: System, room: str) -> None:
    ann = opened(system.url, size=(1440, 900)).join("Ann", room)
    expect(ann.one("panel-toggle")).to_have_attribute("aria-expanded", "false")
    expect(ann.path("*")).to_be_hidden()
    ann.one("panel-toggle").click()
    expect(ann.path("*")).to_be_visible()
    assert ann.fits()


def test_it_says_which_path_this_room_takes_at_a_percentage(opened: Open, system: System, room: str) -> None:
    names = [f"{room}-{number}" for number in range(64)]
    in_share = next(name for name in names if share(TASK, name) < 50)
    outside = next(name for name in names if share(TASK, name) >= 50)
    ann, ben = opened(system.url).join("Ann", in_share), opened(system.url).join("Ben", outside)
    for tab in (ann, ben):
        tab.open_paths()
        expect(tab.one("flag-row", task=TASK).get_by_test_id("flag-takes")).to_have_text("this room: simple")
    ann.path(TASK).select_option("queued")
    expect(ben.path(TASK)).to_have_value("queued")
    ann.percent(TASK).fill("50")
    ann.percent(TASK).dispatch_event("change")

    expect(ann.one("flag-row", task=TASK).get_by_test_id("flag-takes")).to_have_text("this room: queued")
    expect(ben.percent(TASK)).to_have_value("50")
    expect(ben.one("flag-row", task=TASK).get_by_test_id("flag-takes")).to_have_text("this room: simple")
    assert ann.fits()
    ann.one("flag-row", task=TASK).get_by_role("button").click()
    expect(ben.path(TASK)).to_have_value("simple")
