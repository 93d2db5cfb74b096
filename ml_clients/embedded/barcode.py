"""Codes on a picture, by ZXing: bar codes of packages and letters, QR and other matrix codes."""

from typing import TypedDict

import zxingcpp

from ml_clients.embedded.pictures import on_white, opened

MOST = 20
LONGEST = 4096  # characters of one: the largest QR code holds 4,296


class Code(TypedDict):
    """One code: its kind, as ZXing names it, and what it says."""

    format: str
    text: str


def codes(content: bytes) -> list[Code]:
    """The codes on a picture. Raises NoPictureError and PictureTooLargeError."""
    with opened(content) as image:
        found = zxingcpp.read_barcodes(on_white(image, "L"))
    return [Code(format=str(each.format).rpartition(".")[2], text=each.text[:LONGEST]) for each in found[:MOST]]
