"""Which workers were heard lately, and what they do: for people to look at, and for what is given again after a pause."""

from __future__ import annotations

from asyncio import AbstractEventLoop

import msgspec
import structlog

from app.contract import WorkerDoing

log = structlog.get_logger()

SILENT_SECONDS = 6.0  # after three words that did not come, a worker is left out
MAX_WORKERS = 1000

_read = msgspec.json.Decoder(WorkerDoing).decode


class Heard:
    """The newest word of each worker."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._words: dict[str, tuple[float, WorkerDoing]] = {}

    def take(self, data: bytes) -> None:
        """A worker says what it does."""
        try:
            said = _read(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.info("what a worker says of itself cannot be read", error=str(error))
            return
        if said.id in self._words or len(self._words) < MAX_WORKERS:
            self._words[said.id] = self._loop.time(), said

    def lately(self) -> list[WorkerDoing]:
        """Those who are not silent, by their names."""
        now = self._loop.time()
        self._words = {id: word for id, word in self._words.items() if now - word[0] < SILENT_SECONDS}
        return [said for _, (_, said) in sorted(self._words.items())]
