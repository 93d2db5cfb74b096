"""AUTH=token on the pages: signing in, staying signed in, and what somebody may not do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open
from tests.browser.tab import Tab
from tests.guest import SECRETS, signed
from tests.web import Web


@pytest.fixture
def asking(systems: Callable[[str], System]) -> System:
    """A system that asks for tokens."""
    return systems("threading with tokens")


def token(url: str, seconds: float = 600, **claims: Any) -> str:
    """A token of Ada, for every room."""
    return signed(SECRETS[url], seconds, **{"sub": "ada", "name": "Ada", "rooms": ["*"], **claims})


def inside(tab: Tab, url: str, room: str, given: str) -> Tab:
    """Ada in the room, by an address with her token."""
    tab.page.goto(f"{url}/?room={room}#token={given}")
    expect(tab.one("connection", state="online")).to_be_visible()
    return tab


def kept_address(tab: Tab) -> str:
    """What stands in the address bar."""
    return str(tab.page.evaluate("location.href"))


def test_somebody_signs_in_by_pasting_a_token(opened: Open, asking: System, room: str) -> None:
    tab = opened(asking.url)
    tab.page.goto(asking.url)
    expect(tab.one("name")).to_be_hidden()
    tab.one("room").fill(room)
    tab.one("token").fill("no token")
    tab.one("join").click()
    expect(tab.page.get_by_role("alert")).to_have_text("This is no token: paste the whole of it.")
    tab.one("token").fill(token(asking.url))
    tab.one("join").click()
    expect(tab.one("members")).to_contain_text("Ada")
    tab.say("Good morning")
    expect(tab.message("Good morning")).to_have_count(1)


def test_a_token_that_is_refused_is_asked_for_again(
    opened: Open, asking: System, room: str, complaints: list[str]
) -> None:
    tab = opened(asking.url)
    tab.page.goto(f"{asking.url}/?room={room}#token={token(asking.url, sub='')}x")
    expect(tab.page.get_by_role("alert")).to_contain_text("not accepted")
    expect(tab.one("token")).to_be_visible()


def test_a_token_in_the_address_is_taken_out_and_kept_for_the_tab(opened: Open, asking: System, room: str) -> None:
    tab = inside(opened(asking.url), asking.url, room, token(asking.url))
    assert "token" not in kept_address(tab)
    tab.page.reload()
    expect(tab.one("members")).to_contain_text("Ada")
    assert "token" not in kept_address(tab)


def test_what_is_for_operators_is_shown_to_operators(opened: Open, asking: System, room: str) -> None:
    ada = inside(opened(asking.url), asking.url, room, token(asking.url))
    for part in ("operator-link", "panel-toggle"):
        expect(ada.one(part)).to_be_hidden()
    boss = inside(opened(asking.url), asking.url, room, token(asking.url, sub="boss", role="operator"))
    boss.open_paths()
    boss.one("operator-link").click()
    expect(boss.one("freshness", state="fresh")).to_be_visible()


def test_the_operator_page_asks_for_a_token(opened: Open, asking: System) -> None:
    tab = opened(asking.url)
    tab.page.goto(f"{asking.url}/operator")
    tab.one("operator-token").fill(token(asking.url))
    tab.one("operator-enter").click()
    expect(tab.page.get_by_role("alert")).to_have_text("This is no token with the role operator.")
    tab.one("operator-token").fill(token(asking.url, role="operator"))
    tab.one("operator-enter").click()
    expect(tab.one("freshness", state="fresh")).to_be_visible()


@pytest.mark.parametrize("size", [(390, 844), pytest.param((1440, 900), marks=pytest.mark.slow)])
def test_when_a_token_ends_what_was_typed_stays(opened: Open, asking: System, room: str, size: tuple[int, int]) -> None:
    tab = inside(opened(asking.url, size), asking.url, room, token(asking.url, 50))
    expect(tab.one("renewal-token")).to_be_visible()
    tab.one("composer").fill("Half a sentence")
    assert tab.fits()
    tab.one("renewal-token").fill(token(asking.url, sub="eve"))
    tab.one("renewal-send").click()
    expect(tab.one("renewal")).to_contain_text("somebody else")
    tab.one("renewal-token").fill(token(asking.url, name="Ada L."))
    tab.one("renewal-send").click()
    expect(tab.one("renewal")).to_be_hidden()
    expect(tab.one("members")).to_contain_text("Ada L.")
    expect(tab.one("composer")).to_have_value("Half a sentence")


@pytest.mark.slow
def test_whose_token_has_ended_comes_back_with_a_new_one(
    opened: Open, asking: System, room: str, complaints: list[str]
) -> None:
    tab = inside(opened(asking.url), asking.url, room, token(asking.url, -26))
    tab.one("composer").fill("Half a sentence")
    expect(tab.one("connection", state="offline")).to_be_visible()
    tab.one("renewal-token").fill(token(asking.url))
    tab.one("renewal-send").click()
    expect(tab.one("connection", state="online")).to_be_visible()
    tab.one("composer").press("Enter")
    expect(tab.message("Half a sentence")).to_have_count(1)


class Renewing:
    """A login that gives the next token to whoever asks with a POST."""

    path = "/renew"

    def __init__(self, following: Callable[[], str]) -> None:
        self.next, self.asked = following, 0
        renewing = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                renewing.asked += 1
                self.send_response(200)
                self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "null"))
                self.send_header("Access-Control-Allow-Credentials", "true")
                self.end_headers()
                self.wfile.write(json.dumps({"token": renewing.next()}).encode())

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}{self.path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def login(tmp_path: Path) -> Iterator[tuple[Renewing, Web]]:
    """A login whose next token has another name and other rooms, and a web process whose page gets it there."""
    secret = "k" * 40
    with (
        Renewing(lambda: signed(secret, sub="ada", name="Ada renewed", rooms=["room-*"])) as renewing,
        Web(tmp_path / "data", AUTH="token", AUTH_SECRET=secret, AUTH_RENEW_URL=renewing.url) as web,
    ):
        SECRETS[web.url] = secret
        yield renewing, web


def test_the_page_gets_its_next_token_by_itself(opened: Open, login: tuple[Renewing, Web], room: str) -> None:
    renewing, web = login
    tab = inside(opened(web.url), web.url, room, token(web.url, 50))
    expect(tab.one("members")).to_contain_text("Ada renewed")
    expect(tab.one("renewal")).to_be_hidden()
    assert renewing.asked == 1
    tab.close()


def test_a_room_that_the_next_token_does_not_have_is_left_with_words(opened: Open, login: tuple[Renewing, Web]) -> None:
    _, web = login
    tab = opened(web.url)
    tab.page.goto(f"{web.url}/?room=lobby#token={token(web.url, 50)}")
    expect(tab.page.get_by_role("alert")).to_contain_text("You may not be in room lobby any more")
    tab.close()
