"""A draft as people see it: it grows without jumps, can be stopped anywhere, made anew, edited and sent; patients see nothing."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from app.compare.system import ROOT
from tests.browser.conftest import Open, until
from tests.browser.tab import Tab
from tests.guest import SECRETS, signed
from tests.web import Web

WORDS = 120
WHOLE = re.compile(rf"word{WORDS - 1} $")
SECRET = secrets.token_hex(32)


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """A language model that says a word every 25 ms."""
    command = [sys.executable, "-m", "ml_clients.synthetic", "--port", "0"]
    command += ["--talk", f'{{"tokens": {WORDS}, "per_second": 40}}']
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    yield server.stdout.readline().split()[3]
    server.terminate()
    server.communicate(timeout=20)


@pytest.fixture
def web(model: str, tmp_path: Path) -> Iterator[Web]:
    """A web process with that model."""
    with Web(tmp_path, RATE_LIMIT="off", ML_URL=model, LLM_URL=f"{model}/v1") as running:
        yield running


def ask(tab: Tab) -> Locator:
    """Ask for a draft; returns its card."""
    tab.one("task-button", task="reply").click()
    expect(tab.one("draft")).to_have_count(1)
    return tab.one("draft")


def text(card: Locator) -> str:
    """What the card shows."""
    return card.get_by_test_id("draft-text").text_content() or ""


def test_a_draft_is_edited_and_sent(web: Web, opened: Open) -> None:
    ann, ben = opened(web.url).join("Ann", "lobby"), opened(web.url).join("Ben", "lobby")
    ben.say("May I take it with milk?")
    card = ask(ann)
    expect(card.get_by_test_id("draft-text")).to_have_text(WHOLE)
    card.get_by_test_id("draft-edit").click()
    expect(ann.one("composer")).to_have_value(re.compile("^word0 word1 "))
    expect(ann.one("composer-draft")).to_contain_text("Ann asked for")
    ann.say("Yes, with a glass of milk.")
    expect(ben.message("Yes, with a glass of milk.")).to_be_visible()
    expect(ann.one("draft")).to_have_count(0)
    expect(ann.one("composer-draft")).to_be_hidden()
    ann.page.reload()
    expect(ann.message("Yes, with a glass of milk.")).to_be_visible()
    expect(ann.one("draft")).to_have_count(0)  # what was sent is done with


@pytest.mark.slow
def test_the_newest_message_stays_in_view_while_a_draft_comes_and_ends(web: Web, opened: Open) -> None:
    ann = opened(web.url).join("Ann", "lobby")
    for number in range(20):
        ann.say(f"line {number}")
    expect(ann.message("line 19")).to_be_visible()
    card = ask(ann)
    expect(card.get_by_test_id("draft-text")).to_have_text(WHOLE)
    expect(card.get_by_test_id("draft-edit")).to_be_visible()
    end = "pane => pane.scrollHeight - pane.scrollTop - pane.clientHeight"
    until(lambda: ann.page.locator("#log-scroll").evaluate(end) < 2, "the view is at the end")
    expect(ann.page.locator("#to-end")).to_be_hidden()


@pytest.mark.slow
def test_a_refresh_in_the_middle_loses_nothing(web: Web, opened: Open) -> None:
    ann = opened(web.url).join("Ann", "lobby")
    ann.say("Hello")
    card = ask(ann)
    expect(card.get_by_test_id("draft-text")).to_contain_text("word10 ")
    ann.page.reload()
    expect(card.get_by_test_id("draft-text")).to_contain_text("word0 word1 word2 ")
    expect(card.get_by_test_id("draft-text")).to_have_text(WHOLE)
    assert text(card) == "".join(f"word{number} " for number in range(WORDS))
    ann.page.reload()  # and one that is over is there as well
    expect(card.get_by_test_id("draft-text")).to_have_text(WHOLE)


@pytest.mark.slow
def test_it_is_stopped_from_another_tab_and_keeps_its_text(web: Web, opened: Open) -> None:
    ann, ben = opened(web.url).join("Ann", "lobby"), opened(web.url).join("Ben", "lobby")
    card = ask(ann)
    expect(ben.one("draft")).to_contain_text("word5 ")
    ben.one("draft").get_by_test_id("draft-stop").click()
    for tab in (ann, ben):
        expect(tab.one("draft", state="cancelled")).to_contain_text("word5 ")
    assert not WHOLE.search(text(card))
    assert text(card) == text(ben.one("draft"))
    expect(card.get_by_test_id("draft-edit")).to_be_visible()


@pytest.mark.slow
def test_another_one_takes_its_place(web: Web, opened: Open) -> None:
    ann = opened(web.url).join("Ann", "lobby")
    card = ask(ann)
    expect(card.get_by_test_id("draft-text")).to_have_text(WHOLE)
    first = card.get_attribute("data-id")
    card.get_by_test_id("draft-again").click()
    expect(ann.one("draft", id=first)).to_have_count(0)
    expect(ann.one("draft")).to_have_count(1)
    expect(card.get_by_test_id("draft-text")).to_have_text(WHOLE)


@pytest.mark.slow
def test_what_is_read_does_not_jump_while_a_text_grows(web: Web, opened: Open) -> None:
    ann = opened(web.url, size=(900, 600)).join("Ann", "lobby")
    for number in range(30):
        ann.say(f"Line {number}")
    expect(ann.message("Line 29")).to_be_visible()
    ann.page.get_by_role("region", name="Messages").evaluate("log => { log.scrollTop = 200; }")
    card = ask(ann)
    expect(card.get_by_test_id("draft-text")).to_contain_text("word3 ")
    where = "() => document.querySelector('#message-8').getBoundingClientRect().top"
    places = set()

    def is_whole() -> bool:
        places.add(round(ann.page.evaluate(where)))
        return bool(WHOLE.search(text(card)))

    until(is_whole, "the draft is whole")
    assert len(places) == 1, places
    assert ann.fits()


def test_a_patient_never_sees_a_draft(opened: Open, model: str, tmp_path: Path) -> None:
    with Web(tmp_path, AUTH="token", AUTH_SECRET=SECRET, ML_URL=model, LLM_URL=f"{model}/v1") as web:
        SECRETS[web.url] = SECRET
        patient, nurse = (enter(opened, web.url, name, role) for name, role in (("Pat", "member"), ("Nora", "staff")))
        patient.say("May I take it with milk?")
        expect(patient.one("task-button", task="summarize")).to_be_visible()
        expect(patient.one("task-button", task="reply")).to_have_count(0)
        card = ask(nurse)
        expect(card.get_by_test_id("draft-text")).to_have_text(WHOLE)
        nurse.say("Something that everybody sees")
        expect(patient.message("Something that everybody sees")).to_be_visible()
        for _ in range(2):
            assert "word1" not in patient.page.content()
            expect(patient.one("draft")).to_have_count(0)
            patient.page.reload()
            expect(patient.message("Something that everybody sees")).to_be_visible()
        for tab in (patient, nurse):
            tab.close()


def enter(opened: Open, url: str, name: str, role: str) -> Tab:
    """Somebody of this role signs in with a token."""
    tab = opened(url)
    tab.page.goto(url)
    tab.one("token").fill(signed(SECRET, sub=name, name=name, rooms=["*"], role=role))
    tab.one("room").fill("lobby")
    tab.one("join").click()
    expect(tab.one("connection", state="online")).to_be_visible()
    return tab
