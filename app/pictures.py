"""What is an image, and how large: the whole of it is decoded, so that what is kept can be shown."""

from __future__ import annotations

import io
import warnings

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from app.payload import Refused

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
SMALL = 720  # pixels: what a page shows of an image in a conversation, on a screen with two for one
SMALL_TYPE = "image/webp"
MAX_PIXELS = 40_000_000  # what the embedded model server takes; the largest phone cameras stay below when saved as JPEG


def is_image(content: bytes) -> bool:
    """Whether it begins like an image; `look_at` says whether it is one."""
    return content.startswith(BEGINNINGS) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")


def look_at(content: bytes) -> tuple[str, int, int]:
    """Content type, width and height in pixels; raises Refused for what is no image, is damaged or too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we refuse with our own bound below
            with Image.open(io.BytesIO(content), formats=list(TYPES)) as image:
                kind, (width, height) = TYPES[image.format or ""], image.size
                if width * height <= MAX_PIXELS:
                    _decode(image)
                    width, height = _as_shown(image, width, height)
    except Image.DecompressionBombError:
        why = f"the image has too many pixels: at most {MAX_PIXELS:,} are allowed"
        raise Refused("too_large", why, "file") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, KeyError):
        raise Refused("bad_request", "this is not an image: PNG, JPEG, GIF or WebP is right", "file") from None
    if width * height > MAX_PIXELS:
        why = f"the image has {width} x {height} pixels: at most {MAX_PIXELS:,} in all are allowed"
        raise Refused("too_large", why, "file")
    return kind, width, height


def small_copy(content: bytes) -> bytes | None:
    """A smaller copy of an image that was looked at, without what a camera wrote into it; None where it is small already,
    or moves.
    """
    try:
        return _made_smaller(content)
    except Exception:  # as in _decode; the image itself is kept all the same
        return None


def _made_smaller(content: bytes) -> bytes | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content), formats=list(TYPES)) as image:
            if max(image.size) <= SMALL or getattr(image, "is_animated", False):
                return None
            image.draft("RGB", (SMALL, SMALL))
            image.thumbnail((SMALL, SMALL))
            shown = ImageOps.exif_transpose(image)
            file = io.BytesIO()
            shown.convert("RGBA" if shown.has_transparency_data else "RGB").save(file, "WEBP", quality=80)
    return file.getvalue()


def _as_shown(image: Image.Image, width: int, height: int) -> tuple[int, int]:
    """Its size once it is turned as its camera says."""
    try:
        lies = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception:  # as below: what a camera wrote may be anything
        lies = False
    return (height, width) if lies else (width, height)


def _decode(image: Image.Image) -> None:
    eighth = max(1, image.width // 8), max(1, image.height // 8)
    try:
        image.draft("RGB", eighth)  # a JPEG's pixels are not all made, but all are read
        image.load()
    except Exception:  # nobody can say what a decoder raises on bytes that were made to break it
        raise Refused("bad_request", "this image is damaged: its pixels cannot be read", "file") from None
