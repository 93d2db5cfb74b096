"""Images and sounds: sent over HTTP, named in messages and jobs, seen through signed links."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from PIL import Image

from tests.conftest import Site
from tests.guest import WAIT, Guest

SOUNDS = Path(__file__).parents[1] / "sounds"


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    """A colourful image."""
    image = Image.new("RGB", size)
    image.putdata([(x * 6 % 256, 200, 255 - x % 200) for x in range(size[0] * size[1])])
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def send(site: Site, room: str, token: str, content: bytes) -> requests.Response:
    """POST /api/uploads"""
    form = {"room": room, "token": token}
    return site.ask("POST", "/api/uploads", data=form, files={"file": ("cat.png", content)})


@pytest.fixture
def token(ann: Guest, room: str) -> str:
    """What lets Ann send images to the room."""
    return str(ann.join(room)["upload_token"])


@pytest.fixture
def upload(site: Site, room: str, token: str) -> str:
    """An image that was sent to the room."""
    answer = send(site, room, token, picture())
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
def test_usual_kinds_of_images_are_taken(site: Site, room: str, token: str, kind: str) -> None:
    assert send(site, room, token, picture(kind)).status_code == 201


def test_a_sound_is_taken_whatever_it_is_called_and_played_from_anywhere(
    site: Site, ann: Guest, room: str, token: str
) -> None:
    sound = (SOUNDS / "tone.ogg").read_bytes()
    upload = send(site, room, token, sound).json()["upload"]  # called cat.png, as all here
    data = ann.say(room, "Listen", upload=upload)["data"]
    assert data["type"] == "audio/ogg"
    answer = requests.get(site.url + data["url"], headers={"Range": "bytes=100-199"}, timeout=WAIT)
    assert (answer.status_code, answer.headers["Content-Type"]) == (206, "audio/ogg")
    assert answer.content == sound[100:200]
    assert answer.headers["Content-Range"] == f"bytes 100-199/{len(sound)}"


def test_only_who_joined_a_room_can_send_an_image_to_it(
    site: Site, guests: Callable[..., Guest], ann: Guest, room: str, token: str
) -> None:
    elsewhere = ann.join(f"{room}.other")["upload_token"]
    for wrong in ("", "x", elsewhere, token[:-1], token[1:]):
        answer = send(site, room, wrong, picture())
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_in_room")
        assert answer.json()["error"]["field"] == "token"
    assert send(site, room, token, picture()).status_code == 201


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_an_image_that_is_cut_off_is_refused_with_a_sentence(site: Site, room: str, token: str, kind: str) -> None:
    whole = picture(kind, (400, 300))
    answer = send(site, room, token, whole[: len(whole) // 2])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert answer.json()["error"]["field"] == "file"


def test_the_size_of_an_image_comes_with_its_message(site: Site, ann: Guest, room: str, upload: str) -> None:
    message = ann.say(room, "Look", upload=upload)
    size = {"width": 40, "height": 30}
    assert {name: message["data"][name] for name in size} == size
    job = ann.ask(room, "monochrome", upload=upload)
    said = ann.saw("message:new", job=job["id"])
    assert {name: said["data"][name] for name in size} == size
    (later, *_) = ann.ok("room:history", {"room": room, "before": said["seq"], "limit": 1})["messages"]
    assert {name: later["data"][name] for name in size} == size


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
