"""Pictures without colour, by Pillow."""

import io

from ml_clients.embedded.pictures import on_white, opened


def monochrome(content: bytes) -> bytes:
    """A PNG of the same picture in 256 shades of grey, upright, on white where it was transparent.

    Raises NoPictureError and PictureTooLargeError. Of moving pictures the first frame counts.
    """
    out = io.BytesIO()
    with opened(content) as image:
        on_white(image, "L").save(out, "PNG", compress_level=3)
    return out.getvalue()
