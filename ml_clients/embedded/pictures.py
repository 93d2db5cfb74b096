"""Opening pictures that somebody sent: checked before any pixel takes memory, and broken ones told from programs'
mistakes.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 40_000_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")

# Pillow's decoders raise nearly anything on broken content; all of it means the same.
BROKEN = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    SyntaxError,
    EOFError,
    AssertionError,
    struct.error,
)

# Pillow's own bound warns first and fails at twice its value; ours is checked below, exactly.
Image.MAX_IMAGE_PIXELS = None


class NoPictureError(Exception):
    """The bytes are no picture in a format we read, or a broken one."""


class PictureTooLargeError(Exception):
    """The picture has more pixels than we take in."""


@contextmanager
def opened(content: bytes) -> Iterator[Image.Image]:
    """The picture, upright; of moving ones the first frame. Raises NoPictureError and PictureTooLargeError."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            # Known from the header, before any pixel takes memory.
            if image.width * image.height > MAX_PIXELS:
                raise PictureTooLargeError(
                    f"the picture has {image.width} x {image.height} pixels, at most {MAX_PIXELS:,} in all are allowed"
                )
            upright = ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise NoPictureError(f"this is no picture of a kind we read: {', '.join(FORMATS)}") from error
    except BROKEN as error:
        raise NoPictureError(f"the picture is broken: {error}") from error
    yield upright


def on_white(image: Image.Image, mode: str) -> Image.Image:
    """The picture in this mode (L or RGB), white where it was transparent."""
    if not image.has_transparency_data:
        return image.convert(mode)
    layered = image.convert("RGBA")
    white = Image.new(mode, image.size, "white")
    white.paste(layered.convert(mode), mask=layered.getchannel("A"))
    return white
