"""The waiting time at the top of the chat: said when it is known, and of people."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.cable import Cable
from tests.browser.conftest import Open
from tests.web import Web


@pytest.mark.slow
def test_nothing_is_said_until_somebody_has_answered_and_while_there_is_no_connection(
    opened: Open, tmp_path: Path, complaints: list[str]
) -> None:
    with Web(tmp_path, RATE_LIMIT="off", MAX_BACKLOG="0") as web:
        ann, ben = opened(web.url).join("Ann", "lobby"), opened(web.url).join("Ben", "lobby")
        expect(ann.one("wait")).to_have_text("")
        ann.say("Is anybody there?")
        expect(ben.message("Is anybody there?")).to_be_visible()
        expect(ben.one("wait")).to_have_text("")
        ben.say("I am.")
        expect(ann.message("I am.")).to_be_visible()

        cable, cat = Cable(), opened(web.url)
        cat.page.route_web_socket("**/socket.io/**", cable.plug)
        cat.join("Cat", "lobby")
        expect(cat.one("wait")).to_contain_text("People answer")
        cable.cut()
        expect(cat.one("connection", state="online")).to_have_count(0)
        expect(cat.one("wait")).to_have_text("")
        for tab in (ann, ben, cat):
            tab.close()
    complaints.clear()  # a browser notes each connection that could not be made
