"""Running a task that is a generator: what it yields is cleaned, counted and handed on, and its end is its result."""

from __future__ import annotations

import math
import re
from collections.abc import Generator
from typing import Any, Protocol

import msgspec

from app.payload import MAX_TEXT, Refused
from app.tasks import Delta, Progress
from ml_clients import Stop

MAX_WORDS = 200  # code points of the words of a progress

# As everywhere in text (app/payload.py): control characters other than tab and newline; surrogates are seen to apart.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")
_HIGH, _PAIR = re.compile("[\ud800-\udbff]\\Z"), re.compile("[\ud800-\udbff][\udc00-\udfff]")


class Hear(Protocol):
    """Who hears what a running task yields; called in the thread that runs it."""

    def wrote(self, offset: int, text: str) -> None:
        """The text goes on at this offset, in code points."""

    def progressed(self, progress: str) -> None:
        """It has come so far: `{fraction, words}` as JSON."""


class Nobody:
    """Hears nothing."""

    def wrote(self, offset: int, text: str) -> None:
        """As Hear."""

    def progressed(self, progress: str) -> None:
        """As Hear."""


class Growing:
    """The text of one run as people see it: clean, at most MAX_TEXT code points long."""

    def __init__(self) -> None:
        self.length = 0
        self.truncated = False
        self._pieces: list[str] = []
        self._half = ""  # a high surrogate whose other half may come with the next piece

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self._pieces)

    def add(self, piece: str) -> str:
        """What the text grows by: the piece without what nobody should see."""
        if self._half or not piece.isprintable():  # most pieces are, and cost nothing here
            piece = self._half + piece
            half = _HIGH.search(piece)
            self._half = half[0] if half else ""
            piece = _cleaned(piece[: -1 if half else None])
        left = MAX_TEXT - self.length
        if len(piece) > left:
            piece, self.truncated = piece[:left], True
        self.length += len(piece)
        if piece:
            self._pieces.append(piece)
        return piece


def result_of(generator: Generator[Any, None, Any], hear: Hear, stop: Stop) -> Any:
    """What the generator returns, with `text`: all that it yielded. Raises what it raises, and Stopped."""
    growing = Growing()
    try:
        while True:
            yielded = next(generator)
            stop.check()
            if isinstance(yielded, Delta):
                offset, piece = growing.length, growing.add(yielded.text)
                if piece:
                    hear.wrote(offset, piece)
            elif isinstance(yielded, Progress):
                hear.progressed(_progress(yielded))
            else:
                raise TypeError(f"a task yields Delta or Progress, not {type(yielded).__name__}")
    except StopIteration as ended:
        return _with_text(ended.value, growing)
    finally:
        generator.close()  # where it was not at its end: it lets its model go


def _cleaned(piece: str) -> str:
    if not _UNWANTED.search(piece):
        return piece
    # Two halves of a pair that were written apart are one code point together.
    piece = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), piece)
    return _UNWANTED.sub("", piece)


def _progress(progress: Progress) -> str:
    fraction = float(progress.fraction)
    if not math.isfinite(fraction):
        raise ValueError(f"Progress({fraction}): a share from 0 to 1 is expected")
    words = _cleaned(str(progress.words))[:MAX_WORDS]
    return msgspec.json.encode({"fraction": min(max(fraction, 0.0), 1.0), "words": words}).decode()


def _with_text(value: Any, growing: Growing) -> Any:
    """The result with the text that people saw; a task that yielded none has the result it returned."""
    if not growing.length and value is not None:
        return value
    result = msgspec.to_builtins(value) if value is not None else {}
    if not isinstance(result, dict):
        raise Refused("result_invalid", f"a task that yields Delta returns an object or nothing, not {value!r:.100}")
    return {**result, "text": growing.text, **({"truncated": True} if growing.truncated else {})}
