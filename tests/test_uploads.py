"""Images are kept whole or not at all, and nobody fills the disk with them."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from app import rate
from app.links import Links
from app.payload import Refused
from app.pictures import SMALL, look_at, small_copy
from app.store.store import Store
from app.uploads import BYTES_AN_HOUR, Uploads
from tests.own_loop import OwnLoop

LINKS = Links("k" * 32, "http://127.0.0.1")


def uploads(own: OwnLoop, store: Store, folder: Path, max_bytes: int = 1_000_000, rate: float | None = None) -> Uploads:
    async def make() -> Uploads:
        return Uploads(store, cast("Any", own), folder, LINKS, max_bytes, rate)

    return own.run(make())


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3)).save(file, "PNG")
    return file.getvalue()


def send(own: OwnLoop, to: Uploads, person: str, address: str = "10.0.0.1") -> str:
    return own.run(to.take("lobby", person, address, picture()))


class Stopped:
    """A clock that stands still: no bucket fills up while a test takes its time."""

    @staticmethod
    def monotonic() -> float:
        """As in the standard library."""
        return 100.0


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "time", Stopped)


def count_until_refused(own: OwnLoop, to: Uploads, person: str, address: str = "10.0.0.1") -> int:
    """How many images this person may send at once."""
    sent: list[str] = []

    def send_on() -> None:
        while len(sent) < 1000:
            sent.append(send(own, to, person, address))

    with pytest.raises(Refused, match="images a minute") as refused:
        send_on()
    assert refused.value.code == "rate_limited"
    assert refused.value.retry_after
    return len(sent)


def test_a_person_sends_so_many_and_others_still_may(own: OwnLoop, store: Store, tmp_path: Path) -> None:
    kept = uploads(own, store, tmp_path / "uploads", rate=3)
    assert count_until_refused(own, kept, "ann") == 3
    assert count_until_refused(own, kept, "ann") == 0
    assert count_until_refused(own, kept, "ben") == 3


def test_an_address_sends_so_many_under_whatever_names(own: OwnLoop, store: Store, tmp_path: Path) -> None:
    kept = uploads(own, store, tmp_path / "uploads", rate=1)
    assert sum(count_until_refused(own, kept, f"guest {number}") for number in range(15)) == 10
    assert count_until_refused(own, kept, "eve", "10.0.0.2") == 1


def test_a_person_sends_so_many_bytes(own: OwnLoop, store: Store, tmp_path: Path) -> None:
    kept = uploads(own, store, tmp_path / "uploads", max_bytes=len(picture()), rate=1000)
    assert count_until_refused(own, kept, "ann") == BYTES_AN_HOUR


def test_what_cannot_be_written_is_busy_and_leaves_nothing(own: OwnLoop, store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    kept = uploads(own, store, folder)
    shutil.rmtree(folder)
    folder.write_text("a file where the folder was, as unwritable as a full disk")
    with pytest.raises(Refused) as refused:
        send(own, kept, "ann")
    assert (refused.value.code, refused.value.retry_after) == ("busy", 1.0)
    folder.unlink()
    folder.mkdir()
    id = send(own, kept, "ann")
    assert [path.name for path in folder.iterdir()] == [id]


def test_the_size_of_an_image_is_known(own: OwnLoop, store: Store, tmp_path: Path) -> None:
    kept = uploads(own, store, tmp_path / "uploads")
    id = send(own, kept, "ann")
    assert kept.size(id) == {"width": 4, "height": 3}
    again = uploads(own, store, tmp_path / "uploads")
    assert again.size(id) == {}
    assert own.run(again.is_in("lobby", id))
    assert not own.run(again.is_in("elsewhere", id))
    assert again.size(id) == {"width": 4, "height": 3}


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_a_jpeg_of_a_few_pixels_is_an_image(size: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, "JPEG")
    assert look_at(file.getvalue()) == ("image/jpeg", *size)


def test_a_message_says_of_a_sound_what_kind_it_is(own: OwnLoop, store: Store, tmp_path: Path) -> None:
    kept = uploads(own, store, tmp_path / "uploads")
    sound = (Path(__file__).parent / "sounds" / "tone.mp3").read_bytes()
    id = own.run(kept.take("lobby", "ann", "10.0.0.1", sound))
    assert kept.size(id) == {"type": "audio/mpeg"}
    assert own.run(kept.find(id))[1] == sound


def photo(size: tuple[int, int], orientation: int) -> bytes:
    """A JPEG as a phone makes it: turned by what is written into it, with a place."""
    image, exif, file = Image.effect_noise(size, 50).convert("RGB"), Image.Exif(), io.BytesIO()
    exif[0x0112], exif[0x010E] = orientation, "taken at home"
    image.save(file, "JPEG", exif=exif)
    return file.getvalue()


def test_a_large_image_has_a_small_copy_that_is_turned_and_says_nothing_else(
    own: OwnLoop, store: Store, tmp_path: Path
) -> None:
    kept = uploads(own, store, tmp_path / "uploads", max_bytes=10_000_000)
    large = photo((1600, 800), 6)
    id = own.run(kept.take("lobby", "ann", "10.0.0.1", large))
    assert kept.size(id) == {"width": 800, "height": 1600}
    whole, small = own.run(kept.find(id)), own.run(kept.find(id, small=True))
    assert whole[1] == large
    assert (small[0].type, Image.open(io.BytesIO(small[1])).size) == ("image/webp", (SMALL // 2, SMALL))
    assert b"taken at home" in large
    assert b"taken at home" not in small[1]
    own.run(kept.discard([id]))
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_small_image_is_its_own_copy_and_one_that_moves_stays_whole(
    own: OwnLoop, store: Store, tmp_path: Path
) -> None:
    kept = uploads(own, store, tmp_path / "uploads")
    id = send(own, kept, "ann")
    assert own.run(kept.find(id, small=True)) == own.run(kept.find(id))
    moving, frames = io.BytesIO(), [Image.new("RGB", (900, 900), colour) for colour in ("red", "blue")]
    frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:])
    assert small_copy(moving.getvalue()) is None
