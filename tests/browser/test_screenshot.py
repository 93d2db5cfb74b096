"""The pictures in the README: a room in which part of the example conversation has just been played, and its operator page.

Taken only when asked: `make screenshot`, or SCREENSHOT=1.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from app.compare.system import ROOT, System
from app.compare.workload import conversation
from tests.browser.conftest import Open
from tests.browser.tab import Tab
from tests.guest import Guest

CONVERSATION = ROOT / "docs" / "examples" / "clinic.jsonl"
PICTURES = ROOT / "docs"
PHONE = (390, 844)
LAST, LINES = "Noah, how old are you", 24  # how the last line played begins, and how many are played
ME = "Nora, nurse"


@pytest.mark.skipif(not os.environ.get("SCREENSHOT"), reason="SCREENSHOT=1 takes it anew")
def test_the_pictures_in_the_readme_show_a_lively_room(opened: Open, guests: Callable[..., Guest], parts: None) -> None:
    with System(RATE_LIMIT="off") as system:
        for task in ("sentiment", "summarize"):
            system.flag("queued", task)
        system.flag("auto", "monochrome")
        me = opened(system.url).join(ME, "clinic")
        everybody: dict[str, Guest] = {}
        lines = conversation(CONVERSATION)
        end = 1 + next(number for number, line in enumerate(lines) if line.text.startswith(LAST))
        for line in lines[end - LINES : end]:
            if line.sender == ME:
                me.say(line.text)
            else:
                if line.sender not in everybody:
                    everybody[line.sender] = guests(system.url, line.sender)
                    everybody[line.sender].join("clinic")
                everybody[line.sender].say("clinic", line.text)
            me.found(line.text, "triage", "language")
            me.found(line.text, "sentiment", path="queued")
        everybody["Noah"].emit("typing", {"room": "clinic", "on": True})
        expect(me.one("typing")).to_contain_text("typing")
        take(me, "screenshot.png")
        phone = opened(system.url, size=PHONE, touch=True).join("Ada, doctor", "clinic")
        expect(phone.message(LAST)).to_be_visible()
        take(phone, "screenshot-phone.png")
        operator = opened(system.url).operator("?view=jobs")
        expect(operator.one("job-link").last).to_be_visible()
        take(operator, "screenshot-operator.png")
        for tab in (me, phone, operator):
            tab.close()


def take(tab: Tab, name: str) -> None:
    """Keep a picture of this tab."""
    tab.page.screenshot(path=PICTURES / name, animations="disabled")
