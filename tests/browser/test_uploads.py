"""Images go up with the token that the join gave, and with a new one when that has run out."""

from __future__ import annotations

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
