"""Pictures: the same picture in shades of grey, or small; the codes and the text on it."""

from typing import TypedDict

from ml_clients.errors import ModelAnswerInvalid
from ml_clients.transport import Share, ask_about, transform

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"


class Code(TypedDict):
    """A bar code or matrix code: its kind, and what it says."""

    format: str
    text: str


class Codes(TypedDict):
    """The codes on a picture."""

    codes: list[Code]


class Line(TypedDict):
    """A line of text, and how sure the model is of it."""

    text: str
    confidence: Share


class Lines(TypedDict):
    """The lines on a picture, from top to bottom."""

    lines: list[Line]


def monochrome(image: bytes) -> bytes:
    """A PNG of this image (PNG, JPEG, GIF, WebP, BMP) without its colours. Raises a ModelError."""
    return _picture("/v1/monochrome", image, PNG, "PNG")


def thumbnail(image: bytes) -> bytes:
    """A small JPEG of this image, without what a camera wrote beside its pixels. Raises a ModelError."""
    return _picture("/v1/thumbnail", image, (PNG, JPEG), "PNG or JPEG")


def codes(image: bytes) -> Codes:
    """The codes on this image. Raises a ModelError."""
    return ask_about("/v1/barcode", image, Codes)


def lines(image: bytes) -> Lines:
    """The text on this image. Raises a ModelError."""
    return ask_about("/v1/ocr", image, Lines)


def _picture(path: str, image: bytes, begins: bytes | tuple[bytes, ...], kind: str) -> bytes:
    answer = transform(path, image)
    if not answer.startswith(begins):
        raise ModelAnswerInvalid(f"{path} answered something else than a {kind}")
    return answer
