"""Pictures without colour, by Pillow."""

import io
import struct

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


def monochrome(content: bytes) -> bytes:
    """A PNG of the same picture in 256 shades of grey, upright, on white where it was transparent.

    Raises NoPictureError and PictureTooLargeError. Of moving pictures the first frame counts.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            # Known from the header, before any pixel takes memory.
            if image.width * image.height > MAX_PIXELS:
                raise PictureTooLargeError(
                    f"the picture has {image.width} x {image.height} pixels, at most {MAX_PIXELS:,} in all are allowed"
                )
            grey = _without_colour(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise NoPictureError(f"this is no picture of a kind we read: {', '.join(FORMATS)}") from error
    except BROKEN as error:
        raise NoPictureError(f"the picture is broken: {error}") from error
    out = io.BytesIO()
    grey.save(out, "PNG", compress_level=3)
    return out.getvalue()


def _without_colour(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("L")
    layered = image.convert("LA")
    grey = Image.new("L", image.size, 255)
    grey.paste(layered.getchannel("L"), mask=layered.getchannel("A"))
    return grey
