"""What is an image, and how large: the whole of it is decoded, so that what is kept can be shown."""

from __future__ import annotations

import io
import warnings

from PIL import Image, UnidentifiedImageError

from app.payload import Refused

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
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
    except Image.DecompressionBombError:
        why = f"the image has too many pixels: at most {MAX_PIXELS:,} are allowed"
        raise Refused("too_large", why, "file") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, KeyError):
        raise Refused("bad_request", "this is not an image: PNG, JPEG, GIF or WebP is right", "file") from None
    if width * height > MAX_PIXELS:
        why = f"the image has {width} x {height} pixels: at most {MAX_PIXELS:,} in all are allowed"
        raise Refused("too_large", why, "file")
    return kind, width, height


def _decode(image: Image.Image) -> None:
    eighth = max(1, image.width // 8), max(1, image.height // 8)
    try:
        image.draft("RGB", eighth)  # a JPEG's pixels are not all made, but all are read
        image.load()
    except Exception:  # nobody can say what a decoder raises on bytes that were made to break it
        raise Refused("bad_request", "this image is damaged: its pixels cannot be read", "file") from None
