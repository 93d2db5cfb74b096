"""Images: sent over HTTP, named in messages and jobs, seen through signed links."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import requests
from PIL import Image

from tests.conftest import Site
from tests.guest import WAIT, Guest


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    """A colourful image."""
    image = Image.new("RGB", size)
    image.putdata([(x * 6 % 256, 200, 255 - x % 200) for x in range(size[0] * size[1])])
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def send(site: Site, room: str, content: bytes) -> requests.Response:
    """POST /api/uploads"""
    return requests.post(
        f"{site.url}/api/uploads", data={"room": room}, files={"file": ("cat.png", content)}, timeout=WAIT
    )


@pytest.fixture
def upload(site: Site, room: str) -> str:
    """An image that was sent to the room."""
    answer = send(site, room, picture())
    assert answer.status_code == 201
    return str(answer.json()["upload"])


def test_an_image_becomes_black_and_white(site: Site, ann: Guest, ben: Guest, room: str, upload: str) -> None:
    job = ann.ask(room, "monochrome", upload=upload)
    result = ann.final(job["id"])["result"]
    said = ben.saw("message:new", job=job["id"])
    assert (said["kind"], said["upload"]) == ("ml", result["upload"])

    answer = requests.get(site.url + said["data"]["url"], timeout=WAIT)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (40, 30)
    red, green, blue = (channel.tobytes() for channel in image.convert("RGB").split())
    assert red == green == blue
    assert len(set(red)) > 10  # shades, not a blank page


def test_a_message_shows_its_image(site: Site, ann: Guest, ben: Guest, room: str, upload: str) -> None:
    message = ann.say(room, "Look", upload=upload)
    assert message["upload"] == upload
    url = ben.saw("message:new", seq=message["seq"])["data"]["url"]
    answer = requests.get(site.url + url, timeout=WAIT)
    assert answer.content == picture()
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_usual_kinds_of_images_are_taken(site: Site, room: str, kind: str) -> None:
    assert send(site, room, picture(kind)).status_code == 201


def test_a_link_works_only_as_it_was_signed(site: Site, ann: Guest, room: str, upload: str) -> None:
    url = site.url + ann.say(room, "Look", upload=upload)["data"]["url"]
    bare, _, query = url.partition("?")
    exp, sig = (part.split("=")[1] for part in query.split("&"))
    forged = [
        bare,
        f"{bare}?exp={exp}",
        f"{bare}?exp={int(exp) + 1}&sig={sig}",
        f"{bare}?exp={exp}&sig={sig[:-1]}",
        f"{bare}?exp=soon&sig={sig}",
        f"{bare.replace(upload, '0' * 26)}?exp={exp}&sig={sig}",
    ]
    assert requests.get(url, timeout=WAIT).status_code == 200
    assert {requests.get(each, timeout=WAIT).status_code for each in forged} == {403}
    assert requests.put(url, data=picture(), headers={"Content-Type": "image/png"}, timeout=WAIT).status_code == 403


def test_an_image_of_another_room_is_not_there(
    site: Site, guests: Callable[..., Guest], ann: Guest, room: str, upload: str
) -> None:
    other = f"{room}.other"
    ann.join(other)
    error = ann.refused("message:send", {"room": other, "key": "k", "text": "Mine?", "upload": upload})
    assert (error["code"], error["field"]) == ("not_found", "upload")
    error = ann.refused("job:create", {"room": other, "key": "k", "task": "monochrome", "args": {"upload": upload}})
    assert error["code"] == "not_found"
