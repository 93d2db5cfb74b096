"""axe-core finds no serious fault on any page in any state, light or dark, wide or narrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open
from tests.browser.gate import Gate
from tests.browser.tab import Tab
from tests.guest import Guest
from tests.web import Web

GRAVE = ("serious", "critical")
COLOURS = ["color-contrast", "link-in-text-block"]  # the rules that see a colour: all others say the same in the dark
TALK = """Please look at https://example.org/rash and at `SpO2`:
- one
- two
```
pulse 128
```"""


def look(tab: Tab, state: str) -> None:
    """See that nothing in this state keeps anybody out, in both colour schemes."""
    everything: dict[str, Any] = {"resultTypes": ["violations"]}
    for scheme, options in (("light", everything), ("dark", everything | {"runOnly": COLOURS})):
        tab.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        found = Axe().run(tab.page, options=options).response["violations"]
        faults = [_said(fault) for fault in found if fault["impact"] in GRAVE]
        assert not faults, f"{state}, {scheme}: {faults}"


def _said(fault: dict[str, Any]) -> str:
    where = [f"{node['target']}: {node['any'][0]['message'] if node['any'] else ''}" for node in fault["nodes"][:4]]
    return f"{fault['id']}: {where}"


@pytest.fixture
def lively(opened: Open, system: System, room: str, guests: Callable[..., Guest], tmp_path: Path) -> Tab:
    """Ann in a room with an emergency, a list, code, an image, and somebody who is typing."""
    ben = guests(system.url, "Ben")
    ben.join(room)
    ben.say(room, "My father collapsed, he has crushing chest pain and cannot breathe")
    ben.say(room, TALK)
    ann = opened(system.url).join("Ann", room)
    picture = tmp_path / "picture.png"
    Image.new("RGB", (900, 600), "tomato").save(picture)
    ann.upload(picture)
    expect(ann.one("message", kind="ml").locator("img")).to_be_visible()
    ann.say("Thank you so much!")
    ann.found("Thank you so much", "triage", "language", "sentiment")
    ben.emit("typing", {"room": room, "on": True})
    expect(ann.one("typing")).to_contain_text("typing")
    return ann


def test_the_chat_page(lively: Tab) -> None:
    ann, keys = lively, lively.page.keyboard
    ann.quiet("Thank you so much").click()
    ann.open_paths()
    ann.one("other-room-toggle").click()
    look(ann, "a lively room with its paths")
    ann.one("search-toggle").click()
    ann.one("search-words").fill("thank")
    expect(ann.one("search-result")).to_have_count(1)
    look(ann, "a search")
    ann.page.locator("#log-scroll").focus()
    keys.press("?")
    look(ann, "the sheet of keys")
    keys.press("Escape")
    ann.one("message", kind="ml").locator(".picture").click()
    look(ann, "an image looked at")
    keys.press("Escape")
    ann.one("more-tasks").click()
    look(ann, "the menu of tasks")
    ann.one("task-button", task="triage").click()
    look(ann, "a task that is asked for")


@pytest.mark.slow
def test_the_chat_page_on_a_phone_on_the_way_in_and_without_a_connection(
    opened: Open, tmp_path: Path, complaints: list[str]
) -> None:
    with Web(tmp_path) as web:
        ann = opened(web.url, size=(390, 844), touch=True)
        ann.page.goto(web.url)
        look(ann, "the form on the way in")
        ann.one("join").click()
        look(ann, "the form with something wrong")
        ann.join("Ann", "lobby")
        look(ann, "an empty room")
        ann.say("Is anybody there?")
        ann.one("members-toggle").tap()
        look(ann, "the sheet of rooms")
        ann.page.keyboard.press("Escape")
        web.stop()
        expect(ann.one("connection", state="offline")).to_be_visible()
        ann.say("Is anybody there still?")
        look(ann, "a page without a connection")
        ann.close()
    complaints.clear()  # a browser notes each connection that could not be made


@pytest.mark.slow
def test_the_operator_page(opened: Open, gate: Gate, tmp_path: Path) -> None:
    with Web(tmp_path, RATE_LIMIT="off", ML_URL=gate.url) as web:
        ann = opened(web.url).join("Ann", "lobby")
        ann.say("Nobody can read this")
        expect(ann.one("chip", state="failed").first).to_be_visible()
        look(ann, "messages that failed")
        operator = opened(web.url).operator()
        look(operator, "the overview")
        operator.page.get_by_role("link", name="Dead letters").click()
        expect(operator.one("letters")).to_be_visible()
        look(operator, "dead letters")
        operator.page.get_by_role("link", name="Processes").click()
        expect(operator.one("process")).to_be_visible()
        look(operator, "processes")
        operator.page.get_by_role("link", name="Jobs", exact=True).click()
        operator.one("jobs-all").check()
        look(operator, "jobs that are chosen")
        operator.one("jobs").get_by_test_id("job-link").first.click()
        expect(operator.one("job-steps")).to_be_visible()
        look(operator, "one job")
        ann.close()
        operator.close()


@pytest.mark.slow
def test_the_forms_that_ask_for_a_token(opened: Open, tmp_path: Path) -> None:
    with Web(tmp_path, AUTH="token", AUTH_SECRET="s" * 32) as web:
        tab = opened(web.url)
        for path in ("/", "/operator"):
            tab.page.goto(f"{web.url}{path}")
            look(tab, f"the form of {path}")
        tab.close()
