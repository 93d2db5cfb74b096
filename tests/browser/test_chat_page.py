"""The chat page, as people meet it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open
from tests.browser.tab import Tab

EVERY_MESSAGE = ("triage", "language", "sentiment")


def test_two_people_see_each_other_typing_and_writing(ann: Tab, ben: Tab) -> None:
    expect(ann.one("members").locator("li")).to_have_count(2)
    expect(ben.one("members")).to_contain_text("Ann")

    ann.one("composer").press_sequentially("How a")
    expect(ben.one("typing")).to_have_text("Ann is typing…")
    ann.say("How are you?")
    expect(ben.message("How are you?")).to_have_attribute("data-own", "false")
    expect(ben.one("typing")).to_have_text("")

    ben.say("Much better, thank you!")
    expect(ann.message("Much better")).to_be_visible()
    assert ann.seqs() == ben.seqs() == [1, 2]
    expect(ann.one("pending")).to_have_count(0)


def test_chips_fill_in_with_what_the_models_found(ann: Tab, ben: Tab) -> None:
    ann.say("Thank you so much, you have been a great help!")
    for tab in (ann, ben):
        tab.found("great help", *EVERY_MESSAGE)
    expect(ben.chips("great help", task="language")).to_contain_text("English")
    expect(ben.chips("great help", task="sentiment")).to_contain_text("positive")
    expect(ben.chips("great help", task="triage")).to_contain_text("simple · ")


def test_an_emergency_gets_a_notice_in_the_room(ann: Tab, ben: Tab) -> None:
    ann.say("My father collapsed, he has crushing chest pain and cannot breathe")
    for tab in (ann, ben):
        expect(tab.one("message", kind="ml", notice="true")).to_contain_text("emergency services")


def test_a_flag_moves_in_every_tab_and_takes_the_next_message(ann: Tab, ben: Tab, system: System) -> None:
    ann.say("before the flag")
    ann.found("before the flag", "sentiment")

    ann.open_paths()
    ben.open_paths()
    ann.path("sentiment").select_option("queued")
    expect(ben.path("sentiment")).to_have_value("queued")
    ann.say("after the flag")
    for tab in (ann, ben):
        tab.found("after the flag", "sentiment", path="queued")
        tab.found("after the flag", "triage")
        tab.found("before the flag", "sentiment")

    ben.percent("sentiment").fill("30")
    ben.percent("sentiment").dispatch_event("change")
    expect(ann.percent("sentiment")).to_have_value("30")

    ann.one("flag-row", task="sentiment").get_by_role("button").click()
    expect(ben.path("sentiment")).to_have_value("simple")


@pytest.mark.parametrize("path", ["queued", pytest.param("simple", marks=pytest.mark.slow)])
def test_an_image_comes_back_black_and_white(ann: Tab, ben: Tab, system: System, tmp_path: Path, path: str) -> None:
    picture = tmp_path / "picture.png"
    Image.linear_gradient("L").convert("RGB").resize((300, 200)).rotate(30, fillcolor="tomato").save(picture)
    system.flag(path)
    ann.upload(picture)
    answer = ben.one("message", kind="ml").locator("img")
    expect(answer).to_be_visible()
    greys = """image => image.decode().then(() => {
        const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
        canvas.drawImage(image, 0, 0);
        const {data} = canvas.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
        let grey = data.length > 0;
        for (let i = 0; i < data.length; i += 4) grey &&= data[i] === data[i + 1] && data[i] === data[i + 2];
        return [image.naturalWidth, image.naturalHeight, grey];
    })"""
    assert answer.evaluate(greys) == [300, 200, True]
    assert ben.one("message", kind="user").locator("img").evaluate(greys) == [300, 200, False]
    system.flag("simple")


def test_markup_is_shown_as_the_text_it_is(ann: Tab, ben: Tab) -> None:
    nasty = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> & <b>bold</b>"
    ann.say(nasty)
    expect(ben.one("message").locator(".message-text")).to_have_text(nasty)
    assert ben.one("message").locator("img, script, b").count() == 0
    ben.found("onerror", "triage")
    assert "owned" not in ben.page.title()


def test_a_summary_can_be_asked_for_with_a_button(ann: Tab, ben: Tab) -> None:
    for line in ("I need my blood test results from Friday.", "They are back, your iron is low.", "What can I eat?"):
        ann.say(line)
    expect(ben.one("message", kind="user")).to_have_count(3)
    ben.one("task-button", task="summarize").click()
    expect(ann.one("message", kind="ml", notice="false").locator("li").first).to_be_visible()
    expect(ben.one("tray-row")).to_have_count(0)


def test_a_reload_shows_everything_again_with_true_chips(ann: Tab, ben: Tab) -> None:
    for number in range(3):
        ann.say(f"line {number}")
        ann.found(f"line {number}", *EVERY_MESSAGE)
    words = [chip.text_content() or "" for chip in ann.one("chip").all()]
    ann.page.reload()
    expect(ann.one("connection", state="online")).to_be_visible()
    expect(ann.one("message")).to_have_count(3)
    for number in range(3):
        ann.found(f"line {number}", *EVERY_MESSAGE)
    assert ann.seqs() == [1, 2, 3]
    assert sorted(chip.text_content() or "" for chip in ann.one("chip").all()) == sorted(words)


def test_an_empty_room_says_what_can_be_done_until_somebody_writes(ann: Tab) -> None:
    expect(ann.one("empty-room")).to_contain_text("Write the first message")
    ann.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ann.one("copy-address").click()
    expect(ann.one("toast")).to_contain_text("copied")
    assert ann.page.evaluate("navigator.clipboard.readText()") == ann.page.url
    ann.say("Hello")
    expect(ann.message("Hello")).to_be_visible()
    expect(ann.one("empty-room")).to_have_count(0)


def test_a_note_does_not_lie_over_what_is_being_written(ann: Tab) -> None:
    ann.one("composer").fill("x" * 8193)
    ann.one("composer").press("Enter")
    expect(ann.one("toast")).to_be_visible()
    note, dock = ann.one("toast").bounding_box(), ann.page.locator("#dock").bounding_box()
    assert note
    assert dock
    assert note["y"] + note["height"] <= dock["y"]


def test_everything_works_by_keyboard(opened: Open, system: System, room: str) -> None:
    tab = opened(system.url)
    tab.page.goto(f"{system.url}/?room={room}")
    keys = tab.page.keyboard
    tab.one("name").focus()
    keys.type("Kim")
    keys.press("Enter")
    expect(tab.one("composer")).to_be_focused()
    keys.type("By keyboard")
    keys.press("Enter")
    expect(tab.message("By keyboard")).to_be_visible()

    _tab_to(tab, '[data-testid="panel-toggle"]', back=True)
    expect(tab.path("triage")).to_be_hidden()
    keys.press("Enter")
    expect(tab.path("triage")).to_be_visible()
    _tab_to(tab, '[data-task="triage"] select')
    keys.press("a")
    expect(tab.path("triage")).to_have_value("auto")
    _tab_to(tab, '[data-task="triage"] .link-button')
    keys.press("Enter")
    expect(tab.path("triage")).to_have_value("simple")


def test_a_phone_shows_it_without_scrolling_sideways(opened: Open, system: System, room: str) -> None:
    tab = opened(system.url, size=(360, 740), touch=True)
    tab.page.goto(system.url)
    assert tab.fits()
    tab.join("Pat", room)
    tab.say("A_very_long_word_without_any_place_to_break_it_that_goes_on_and_on_and_on_and_on_and_on_and_on")
    tab.say("Is anybody there? My knee hurts when I climb the stairs.")
    tab.found("Is anybody there", *EVERY_MESSAGE)
    expect(tab.one("composer")).to_be_in_viewport()
    assert tab.fits()
    tab.quiet("Is anybody there").tap()
    expect(tab.chips("Is anybody there", task="language")).to_be_visible()
    assert tab.fits()
    tab.one("panel-toggle").tap()
    expect(tab.path("*")).to_be_in_viewport()
    assert tab.fits()
    tab.page.keyboard.press("Escape")
    expect(tab.path("*")).to_be_hidden()
    tab.operator()
    assert tab.fits()


def test_the_tab_key_need_not_go_through_every_message(ann: Tab) -> None:
    for number in range(5):
        ann.say(f"line {number}")
        ann.found(f"line {number}", "triage")
    ann.page.locator("#leave").focus()
    ann.page.keyboard.press("Tab")
    expect(ann.one("skip")).to_be_focused()
    expect(ann.one("skip")).to_be_in_viewport()
    ann.page.keyboard.press("Enter")
    expect(ann.one("composer")).to_be_focused()


def _tab_to(tab: Tab, selector: str, back: bool = False, most: int = 60) -> None:
    """Press Tab until this element has the focus."""
    for _ in range(most):
        if tab.page.locator(selector).first.evaluate("element => element === document.activeElement"):
            return
        tab.page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"{selector} is not reached with the Tab key")
