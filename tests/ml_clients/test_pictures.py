"""Small pictures carry nothing but pixels, and codes are read from what a camera gives."""

import io
import random

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from ml_clients import picture
from ml_clients.embedded.barcode import codes
from ml_clients.embedded.thumbnail import thumbnail
from tests.ml_clients.test_monochrome import drawn, opened

FORMATS = ("QRCode", "Code128", "EAN13", "DataMatrix", "Aztec", "PDF417")


def with_metadata(size: tuple[int, int]) -> bytes:
    """A photo with the place where it was taken, a comment and a colour profile."""
    image, out = Image.new("RGB", size, (200, 30, 60)), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6  # taken sideways
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}  # GPS
    exif[0x010F] = "SECRETCAMERA"
    image.save(out, "JPEG", exif=exif, comment=b"SECRETCOMMENT", icc_profile=b"SECRETPROFILE")
    return out.getvalue()


def test_a_small_picture_is_upright_in_its_bounds_and_says_nothing_of_the_camera() -> None:
    photo = with_metadata((4000, 1000))
    assert b"SECRETCAMERA" in photo
    small = thumbnail(photo)
    assert opened(small).size == (80, 320)
    assert b"SECRET" not in small
    assert not opened(small).getexif()


def test_a_picture_that_is_small_keeps_its_size() -> None:
    assert opened(thumbnail(drawn("PNG", size=(40, 20)))).size == (40, 20)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_the_client_gets_a_jpeg(kind: str) -> None:
    assert opened(picture.thumbnail(drawn(kind))).format == "JPEG"


def scanned(kind: str, text: str, random: random.Random) -> bytes:
    """A code as a camera sees it: somewhere on a page, turned a little, not quite sharp."""
    code = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    image = Image.fromarray(np.asarray(zxingcpp.write_barcode_to_image(code, scale=4)))
    turned = image.convert("L").rotate(random.uniform(-8, 8), expand=True, fillcolor=255)
    page = Image.new("L", (turned.width + 200, turned.height + 200), 255)
    page.paste(turned, (random.randrange(200), random.randrange(200)))
    out = io.BytesIO()
    page.convert("RGB").save(out, "JPEG", quality=70)
    return out.getvalue()


def test_codes_are_read_from_pictures_of_them() -> None:
    """Sixty, of six kinds: docs/models.md says how many."""
    drawing = random.Random(1)
    right = 0
    for number in range(60):
        kind = FORMATS[number % len(FORMATS)]
        text = f"{drawing.randrange(10**11, 10**12)}" if kind == "EAN13" else f"PZN-{drawing.randrange(10**8):08}"
        found = codes(scanned(kind, text, drawing))
        right += len(found) == 1 and found[0]["text"].removeprefix("0").startswith(text.removeprefix("0"))
    assert right >= 57


@pytest.mark.usefixtures("models")
def test_a_picture_without_codes_has_none() -> None:
    assert picture.codes(drawn("PNG", size=(400, 400))) == {"codes": []}
