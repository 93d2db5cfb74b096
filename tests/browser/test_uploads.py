"""Images and sounds go up, several at once; with the token that the join gave, and a new one when that has run out."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Request, Route, expect

from app.compare.system import System
from tests.browser.cable import changing
from tests.browser.conftest import Open

SOUNDS = Path(__file__).parents[1] / "sounds"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """An image as high as it is shown at most."""
    file = tmp_path / "picture.png"
    Image.new("RGB", (300, 200), "tomato").save(file)
    return file


def token(request: Request) -> str:
    """The field `token` of a form."""
    body = (request.post_data_buffer or b"").decode("latin-1")
    found = re.search(r'name="token"\r\n\r\n([^\r]*)', body)
    return found[1] if found else ""


def test_an_image_goes_up_with_the_token_of_the_newest_join(
    opened: Open, system: System, room: str, picture: Path, complaints: list[str]
) -> None:
    joins, sent = 0, []

    def give_a_token(value: dict[str, Any]) -> None:
        nonlocal joins
        if "seq" in value and "members" in value:
            joins += 1
            value["upload_token"] = f"token-{joins}"

    def take(route: Route) -> None:
        sent.append(token(route.request))
        if len(sent) == 1:
            error = {"error": {"code": "not_in_room", "message": "the token has run out"}}
            route.fulfill(status=403, content_type="application/json", body=json.dumps(error))
        else:
            route.fulfill(status=201, content_type="application/json", body=json.dumps({"upload": "0" * 26}))

    ann = opened(system.url)
    ann.page.route_web_socket("**/socket.io/**", changing(give_a_token))
    ann.page.route("**/api/uploads", take)
    ann.join("Ann", room)

    ann.upload(picture)

    expect(ann.one("pending")).to_contain_text("That is not there any more")  # as the server has no such upload
    assert sent == ["token-1", "token-2"]
    complaints.clear()  # a browser notes each answer that refuses


def test_several_files_go_up_at_once_and_are_looked_at_closely(
    opened: Open, system: System, room: str, tmp_path: Path
) -> None:
    for name, colour in (("one", "tomato"), ("two", "teal"), ("three", "gold")):
        Image.new("RGB", (1600, 900), colour).save(tmp_path / f"{name}.png")
    files = [tmp_path / "one.png", tmp_path / "two.png", SOUNDS / "tone.ogg"]
    ann = opened(system.url).join("Ann", room)
    ann.one("composer").fill("Here they are")
    ann.one("upload-input").set_input_files(files)
    sent = ann.one("message", kind="user")
    expect(sent).to_have_count(3)
    expect(sent.first).to_contain_text("Here they are")
    expect(ann.one("transfer")).to_have_count(0)
    expect(ann.one("sound")).to_have_count(1)
    ann.page.wait_for_load_state("networkidle")
    assert ann.one("sound").evaluate(
        "sound => sound.readyState > 0 || new Promise(r => (sound.onloadedmetadata = () => r(true)))"
    )
    mine = sent.locator(".picture img")
    expect(mine).to_have_count(2)
    small = "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    assert mine.first.evaluate(small) == [720, 405]

    mine.first.click()
    whole = ann.page.locator("#viewer img")
    assert whole.evaluate(small) == [1600, 900]
    ann.page.keyboard.press("ArrowRight")
    expect(ann.page.locator("#viewer p")).to_contain_text("2 of")
    ann.page.keyboard.press("Escape")
    expect(whole).to_be_hidden()


def test_a_file_on_its_way_shows_how_far_it_is_can_be_stopped_and_is_sent_again_when_it_was_refused(
    opened: Open, system: System, room: str, picture: Path, tmp_path: Path, complaints: list[str]
) -> None:
    def hold(route: Route) -> None:
        """It never gets there."""

    ann = opened(system.url).join("Ann", room)
    ann.page.route("**/api/uploads", hold)
    ann.upload(picture)
    row = ann.one("transfer").filter(has_text="picture.png")
    expect(row.get_by_role("progressbar")).to_be_visible()
    row.get_by_test_id("transfer-drop").click()
    expect(ann.one("transfer")).to_have_count(0)

    ann.page.unroute("**/api/uploads")
    lie = tmp_path / "lie.png"
    lie.write_text("<script>alert(1)</script>")
    ann.upload(lie)
    expect(ann.one("transfer", state="failed")).to_contain_text("neither an image")
    ann.one("transfer-again").click()
    expect(ann.one("transfer", state="failed")).to_contain_text("neither an image")
    ann.one("transfer-drop").click()
    expect(ann.one("transfer")).to_have_count(0)
    expect(ann.one("composer")).to_be_focused()
    expect(ann.one("message")).to_have_count(0)
    complaints.clear()  # a browser notes each answer that refuses


PASTE = """([data, kind]) => {
    const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
    const files = new DataTransfer();
    files.items.add(new File([bytes], "pasted.png", {type: "image/png"}));
    const how = {bubbles: true, cancelable: true};
    if (kind === "paste") {
        document.getElementById("composer").dispatchEvent(new ClipboardEvent("paste", {clipboardData: files, ...how}));
    } else {
        document.getElementById("talk").dispatchEvent(new DragEvent("drop", {dataTransfer: files, ...how}));
    }
}"""


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_file_is_pasted_or_dropped(opened: Open, system: System, room: str, picture: Path, kind: str) -> None:
    ann = opened(system.url).join("Ann", room)
    ann.page.evaluate(PASTE, [base64.b64encode(picture.read_bytes()).decode(), kind])
    expect(ann.one("message", kind="user").locator(".picture img")).to_have_count(1)


def test_an_image_takes_its_place_before_it_is_there(opened: Open, system: System, room: str, picture: Path) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def with_size(value: dict[str, Any]) -> None:
        if "url" in value:
            value |= {"width": 900, "height": 600}

    ann = opened(system.url)
    ann.page.route_web_socket("**/socket.io/**", changing(with_size))
    ann.page.route("**/uploads/*", hold)
    ann.join("Ann", room)
    ann.upload(picture)
    image = ann.one("message", kind="user").locator(".picture img")
    expect(image).to_have_attribute("width", "450")
    box = image.bounding_box()
    assert box
    assert (round(box["width"]), round(box["height"])) == (450, 300)
    for route in held:
        route.continue_()
