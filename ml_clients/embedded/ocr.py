"""Text in pictures, by RapidOCR (PaddleOCR's models on onnxruntime). An extra: `OCR=1 make run` installs it."""

import logging
from typing import Any, TypedDict

import numpy as np
from PIL import Image

from ml_clients.embedded.pictures import on_white, opened

LONGEST_SIDE = 2400  # pixels: a page takes 2 to 4 s, and letters of a page are large enough
SURE = 0.5


class Line(TypedDict):
    """One line of text, and how sure the model is of it (0 to 1)."""

    text: str
    confidence: float


class Reader:
    """Reads text in pictures, one at a time."""

    def __init__(self) -> None:
        """Raises ImportError where it is not installed."""
        from rapidocr import RapidOCR  # type: ignore[import-not-found,import-untyped,unused-ignore]

        logging.getLogger("RapidOCR").setLevel(logging.WARNING)
        threads = {"EngineConfig.onnxruntime.intra_op_num_threads": 1}
        self._read: Any = RapidOCR(params={"Global.log_level": "warning", **threads})

    def lines(self, content: bytes) -> list[Line]:
        """The lines of text, from top to bottom. Raises NoPictureError and PictureTooLargeError."""
        with opened(content) as image:
            page = on_white(image, "RGB")
        page.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        found = self._read(np.asarray(page)[:, :, ::-1])  # it takes blue first, as OpenCV does
        pairs = zip(found.txts or (), found.scores or (), strict=True)
        return [Line(text=text, confidence=round(float(sure), 4)) for text, sure in pairs if sure >= SURE]
