"""Small pictures, by Pillow: only pixels, without whatever a camera wrote beside them."""

import io

from PIL import Image

from ml_clients.embedded.pictures import on_white, opened

LONGEST_SIDE = 320
QUALITY = 80


def thumbnail(content: bytes) -> bytes:
    """A JPEG of at most 320 x 320 pixels, upright, on white where it was transparent; smaller ones keep their size.

    Raises NoPictureError and PictureTooLargeError.
    """
    out = io.BytesIO()
    with opened(content) as image:
        small = on_white(image, "RGB")
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    # A new picture of the pixels alone: what Pillow keeps of the old one in `info` it would write again.
    bare = Image.frombytes("RGB", small.size, small.tobytes())
    bare.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
