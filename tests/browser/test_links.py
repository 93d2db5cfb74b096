"""Addresses in messages are links, and nothing else becomes one."""

from __future__ import annotations

from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open

LINKS = [
    ("see https://example.org/a?b=1&c=2#d.", "https://example.org/a?b=1&c=2#d", "https://example.org/a?b=1&c=2#d"),
    (
        "(http://example.org/wiki/Rain_(film))",
        "http://example.org/wiki/Rain_(film)",
        "http://example.org/wiki/Rain_(film)",
    ),
    ("www.example.org, please", "www.example.org", "https://www.example.org/"),
    (
        "write to ann.lee+news@mail.example.org!",
        "ann.lee+news@mail.example.org",
        "mailto:ann.lee+news@mail.example.org",
    ),
    ('<a href="https://example.org/x">', "https://example.org/x", "https://example.org/x"),
]
SLOW = ["a" * 8192, "www." * 2048, "a@" * 4096, "http://" + "(" * 8000, "a." * 4096]  # made to be so
TEXTS = [
    "javascript:alert(1)",
    "data:text/html,hello",
    "https://bank.example@evil.example/",
    "http://nowhere",
    "http://",
    "ann@home",
    "file:///etc/passwd",
    "somethinghttps://example.org",
]


def test_web_and_mail_addresses_are_links_that_show_what_was_written(opened: Open, system: System, room: str) -> None:
    ann, ben = opened(system.url).join("Ann", room), opened(system.url).join("Ben", room)
    for text, _, _ in LINKS:
        ann.say(text)
    expect(ben.one("message", kind="user")).to_have_count(len(LINKS))
    for seq, (text, words, href) in enumerate(LINKS, 1):
        shown = ben.one("message", seq=seq).locator(".message-text")
        expect(shown).to_have_text(text)
        link = shown.locator("a")
        expect(link).to_have_text(words)
        expect(link).to_have_attribute("href", href)
        expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
        expect(link).to_have_attribute("target", "_blank")


def test_what_only_looks_like_an_address_stays_text(opened: Open, system: System, room: str) -> None:
    ann = opened(system.url).join("Ann", room)
    for text in TEXTS:
        ann.say(text)
    expect(ann.one("message", kind="user")).to_have_count(len(TEXTS))
    for seq, text in enumerate(TEXTS, 1):
        expect(ann.one("message", seq=seq).locator(".message-text")).to_have_text(text)
    assert ann.page.locator(".message-text a").count() == 0


def test_a_text_made_to_be_slow_is_shown(opened: Open, system: System, room: str) -> None:
    ann = opened(system.url).join("Ann", room)
    for seq, text in enumerate(SLOW, 1):
        ann.say(text)
        expect(ann.one("message", seq=seq).locator(".message-text")).to_have_text(text)
