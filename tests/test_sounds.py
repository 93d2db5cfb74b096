"""What is a sound is told by its content: `tests/sounds` has a quarter of a second of each kind, made by ffmpeg."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from app.payload import Refused
from app.sounds import listen_to
from app.uploads import recognized

SAMPLES = Path(__file__).parent / "sounds"
KINDS = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "webm": "audio/webm",
}


def sample(kind: str) -> bytes:
    return (SAMPLES / f"tone.{kind}").read_bytes()


@pytest.mark.parametrize(("kind", "type"), KINDS.items())
def test_each_kind_of_sound_is_told_by_its_content(kind: str, type: str) -> None:
    assert recognized(sample(kind)) == (type, 0, 0)


def test_an_mp3_begins_behind_its_tag_or_without_one() -> None:
    tagged = sample("mp3")
    size = sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(tagged[6:10]))
    assert tagged[:3] == b"ID3"
    assert listen_to(tagged[10 + size :]) == "audio/mpeg"


LIES = {
    "nothing": b"",
    "words": b"this is a voice message, believe me",
    "a page": b"<html><script>alert(1)</script></html>",
    "a film": (SAMPLES / "film.mp4").read_bytes(),
    "a head without a sound": sample("wav")[:12],
    "an image's head around a sound": b"\x89PNG" + sample("wav"),
    "two bytes of a frame": b"\xff\xfb" + b"<script>" * 100,
    "one frame and then a page": b"\xff\xfb\x90\x64" + b"<html>" * 200,
    "a tag that says it is endless": b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + b"\x00" * 100,
    "boxes that lead nowhere": b"\x00\x00\x00\x08ftyp" + b"\x00" * 64,
    "a box that says it is endless": b"\x00\x00\x00\x14ftypM4A \x00\x00\x00\x00\x00\x00\x00\x01free" + b"\xff" * 8,
    "pictures in a webm": sample("webm").replace(b"A_OPUS", b"V_VP80"),
    "pictures in an ogg": sample("ogg").replace(b"OpusTags", b"\x80theora."),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_is_no_sound_is_refused_with_what_is_right(lie: bytes) -> None:
    with pytest.raises(Refused) as refused:
        recognized(lie)
    assert (refused.value.code, refused.value.field) == ("bad_request", "file")


def test_damage_anywhere_is_a_sound_or_refused_and_never_another_error() -> None:
    chance = random.Random(11)
    for kind in KINDS:
        for _ in range(60):
            broken = bytearray(sample(kind))
            for _ in range(chance.randint(1, 20)):
                broken[chance.randrange(min(len(broken), 200))] = chance.randrange(256)
            try:
                recognized(bytes(broken[: chance.randrange(len(broken))]))
            except Refused:
                continue
