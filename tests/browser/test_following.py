"""Where the reader is: the end stays in view while things grow, and a reader further up is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Route, expect

from app.compare.system import System
from tests.browser.conftest import Open, until
from tests.browser.tab import Tab

FROM_THE_END = "pane => pane.scrollHeight - pane.scrollTop - pane.clientHeight"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """An image as high as it is shown at most."""
    file = tmp_path / "picture.png"
    Image.new("RGB", (600, 800), "tomato").save(file)
    return file


def at_the_end(tab: Tab) -> None:
    """Wait until the newest message is in view, and nothing below it is hidden."""
    until(lambda: tab.page.locator("#log-scroll").evaluate(FROM_THE_END) < 2, "the view is at the end")
    expect(tab.page.locator("#to-end")).to_be_hidden()


def test_the_end_stays_in_view_when_images_load_late(ann: Tab, picture: Path) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    ann.page.route("**/uploads/*", hold)
    for number in range(3):
        ann.upload(picture)
        expect(ann.one("message")).to_have_count(2 * (number + 1))
    expect(ann.page.locator(".picture img")).to_have_count(6)
    until(
        lambda: ann.page.title() and len(held) == 6, "all images are asked for"
    )  # asking the page lets routes come in
    for route in held:
        route.continue_()
    loaded = "images => images.length === 6 && images.every(image => image.complete && image.naturalHeight > 0)"
    until(lambda: ann.page.locator(".picture img").evaluate_all(loaded), "all images are there")
    at_the_end(ann)


def test_what_grows_before_the_event_of_our_own_scrolling_is_not_taken_for_the_reader(ann: Tab) -> None:
    for number in range(20):
        ann.say(f"line {number}")
    expect(ann.message("line 19")).to_be_visible()
    at_the_end(ann)
    ann.page.evaluate(
        """() => {
            document.querySelector("#log > :last-child .bubble").style.minHeight = "600px";
            document.getElementById("log-scroll").dispatchEvent(new Event("scroll"));
        }"""
    )
    at_the_end(ann)


def test_the_way_to_the_newest_message_covers_no_draft(ann: Tab) -> None:
    for number in range(30):
        ann.say(f"line {number}")
    expect(ann.message("line 29")).to_be_visible()
    ann.page.locator("#log-scroll").focus()
    ann.page.keyboard.press("PageUp")
    ann.page.keyboard.press("PageUp")
    ann.page.evaluate("() => { document.getElementById('drafts').style.height = '200px'; }")
    expect(ann.page.locator("#to-end")).to_be_visible()
    below = "() => ['to-end', 'drafts'].map((id) => document.getElementById(id).getBoundingClientRect())"
    button, drafts = ann.page.evaluate(f"() => ({below})().map(({{top, bottom}}) => ({{top, bottom}}))")
    assert button["bottom"] <= drafts["top"]


def test_a_reader_further_up_is_left_alone_and_told(opened: Open, ann: Tab, system: System, room: str) -> None:
    for number in range(30):
        ann.say(f"line {number}")
    expect(ann.message("line 29")).to_be_visible()
    at_the_end(ann)
    ann.page.locator("#log-scroll").focus()
    ann.page.keyboard.press("PageUp")
    ann.page.keyboard.press("PageUp")
    until(lambda: ann.page.locator("#log-scroll").evaluate(FROM_THE_END) > 300, "Ann reads further up")

    ben = opened(system.url).join("Ben", room)
    ben.say("news from below")

    expect(ann.page.locator("#to-end")).to_be_visible()
    expect(ann.message("news from below")).not_to_be_in_viewport()
    ann.page.locator("#to-end").click()
    expect(ann.message("news from below")).to_be_in_viewport()
    at_the_end(ann)
