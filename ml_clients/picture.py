"""Pictures: the same picture in shades of grey."""

from ml_clients.errors import ModelAnswerInvalid
from ml_clients.transport import transform

PNG = b"\x89PNG\r\n\x1a\n"


def monochrome(image: bytes) -> bytes:
    """A PNG of this image (PNG, JPEG, GIF, WebP, BMP) without its colours. Raises a ModelError."""
    answer = transform("/v1/monochrome", image)
    if not answer.startswith(PNG):
        raise ModelAnswerInvalid("/v1/monochrome answered something else than a PNG")
    return answer
