"""The page in a room with more messages than one answer holds, and in one whose database is another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.cable import Cable
from tests.browser.conftest import Open, until
from tests.browser.tab import Tab
from tests.guest import Guest
from tests.web import Web

MANY = 620  # more than the 500 of one answer
IN_THE_PAGE = 300  # messages at once: those near what is looked at


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A web process without models: jobs are skipped, so that there is nothing but messages."""
    with Web(tmp_path, RATE_LIMIT="off", MAX_BACKLOG="0") as web:
        yield web


def talk(web: Web, guests: Callable[..., Guest], times: int) -> None:
    """Somebody says a lot."""
    ben = guests(web.url, "Ben")
    ben.join("lobby")
    for number in range(times):
        ben.say("lobby", f"Line {number + 1}")
    ben.close()


def shown(tab: Tab) -> list[int]:
    """The numbers of all messages, in one look."""
    return list(tab.one("message").evaluate_all("all => all.map(each => Number(each.dataset.seq))"))


def walk_up(tab: Tab) -> set[int]:
    """Scroll to the first message; returns the numbers of all that were seen on the way."""
    seen: set[int] = set()

    def at_the_first() -> bool:
        now = shown(tab)
        assert len(now) <= IN_THE_PAGE
        seen.update(now)
        tab.one("message", seq=min(now)).evaluate("message => message.scrollIntoView()")
        return min(now) == 1

    until(at_the_first, "the first message is there")
    return seen


@pytest.mark.slow
def test_a_long_absence_is_made_up_for_and_who_comes_later_scrolls_up_to_the_first_message(
    opened: Open, web: Web, guests: Callable[..., Guest], complaints: list[str]
) -> None:
    cable, ann, cat = Cable(), opened(web.url), opened(web.url)
    ann.page.route_web_socket("**/socket.io/**", cable.plug)
    ann.join("Ann", "lobby")
    cable.cut()
    expect(ann.one("connection", state="online")).to_have_count(0)
    talk(web, guests, MANY)

    cable.whole = True

    expect(ann.one("message", seq=MANY)).to_be_visible()
    assert walk_up(ann) == set(range(1, MANY + 1))
    ann.close()
    complaints.clear()  # a browser notes each connection that could not be made

    cat.join("Cat", "lobby")
    expect(cat.one("message", seq=MANY)).to_be_visible()
    assert cat.one("message", seq=1).count() == 0

    assert walk_up(cat) == set(range(1, MANY + 1))
    cat.close()


@pytest.mark.slow
def test_a_page_forgets_what_it_shows_when_the_database_is_another(
    opened: Open, web: Web, tmp_path: Path, guests: Callable[..., Guest], complaints: list[str]
) -> None:
    talk(web, guests, 3)
    ann = opened(web.url).join("Ann", "lobby")
    expect(ann.message("Line 3")).to_be_visible()
    web.stop()
    for file in tmp_path.glob("spillway.db*"):
        file.unlink()

    web.start()

    expect(ann.one("connection", state="online")).to_be_visible()
    expect(ann.one("message")).to_have_count(0)
    ann.say("A new beginning")
    expect(ann.message("A new beginning")).to_be_visible()
    assert shown(ann) == [1]
    complaints.clear()  # a browser notes each connection that could not be made
    ann.close()
