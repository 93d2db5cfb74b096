import io

import pytest
from PIL import Image

import ml_clients
from ml_clients import picture
from ml_clients.embedded.monochrome import monochrome
from ml_clients.embedded.pictures import PictureTooLargeError


def drawn(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 20), colour: object = (200, 30, 60)) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, kind)  # type: ignore[arg-type] # a colour of any mode
    return out.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_picture_comes_back_as_a_grey_png_of_its_size(kind: str) -> None:
    grey = opened(picture.monochrome(drawn(kind)))
    assert (grey.format, grey.mode, grey.size) == ("PNG", "L", (40, 20))
    # Colour is gone, brightness is not: 0.299 R + 0.587 G + 0.114 B.
    assert abs(int(grey.getpixel((5, 5))) - 84) <= 3  # type: ignore[arg-type] # one band, so a number


def test_different_brightness_stays_different() -> None:
    image = Image.new("RGB", (2, 1))
    image.putpixel((1, 0), (250, 250, 200))
    out = io.BytesIO()
    image.save(out, "PNG")
    assert list(opened(monochrome(out.getvalue())).tobytes()) == [0, 244]


def test_what_was_transparent_is_white() -> None:
    grey = opened(monochrome(drawn("PNG", "RGBA", colour=(0, 0, 0, 0))))
    assert grey.getextrema() == (255, 255)


def test_a_photo_taken_sideways_is_put_upright() -> None:
    image, out = Image.new("RGB", (40, 20)), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(out, "JPEG", exif=exif)
    assert opened(monochrome(out.getvalue())).size == (20, 40)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        drawn("TIFF"),
        drawn("PNG")[:60],
        drawn("JPEG")[:200],
    ],
)
def test_what_is_no_whole_picture_is_refused(content: bytes) -> None:
    with pytest.raises(ml_clients.ModelRefused, match=r"400.*bad_picture"):
        picture.monochrome(content)


@pytest.mark.usefixtures("models")
def test_a_small_file_with_too_many_pixels_is_refused() -> None:
    with pytest.raises(ml_clients.ModelRefused, match=r"413.*too_large"):
        picture.monochrome(drawn("PNG", "1", (20_000, 2_001), 0))


def test_the_bound_is_known_before_a_pixel_is_read() -> None:
    small = drawn("BMP", "1", (8, 8), 0)
    claims_to_be_huge = small[:18] + (60_000).to_bytes(4, "little") * 2 + small[26:]
    with pytest.raises(PictureTooLargeError, match="60000 x 60000"):
        monochrome(claims_to_be_huge)
