"""Servers that stay away, of several that do not know of each other: what they have is published again elsewhere."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable

import structlog

from app.queue.servers import Servers, places_of

log = structlog.get_logger()

LOOK_SECONDS = 1.0
Strand = Callable[[tuple[int, int]], Awaitable[None]]
"""Has the attempts at these places of the streams published again."""


class Stranded:
    """Notices how long each is away, or is there without its streams. On the loop."""

    def __init__(self, servers: Servers, loop: AbstractEventLoop, seconds: float) -> None:
        self._servers, self._loop, self._seconds = servers, loop, seconds
        self._since: dict[int, float] = {}  # when one that is away was seen last
        self._given_up: set[int] = set()
        self.strand: Strand = _nothing

    async def look(self) -> None:
        """To be called every LOOK_SECONDS; raises StoreUnavailable, and then it is tried again."""
        well, now = self._servers.well, self._loop.time()
        if not well:
            return  # there is nowhere else
        for number in range(len(self._servers.all)):
            if number in well:
                self._since.pop(number, None)
                self._given_up.discard(number)
            elif now - self._since.setdefault(number, now) > self._seconds and number not in self._given_up:
                log.warning("a server stays away: what it has is published again elsewhere", server=number)
                await self.strand(places_of(number))
                self._given_up.add(number)


async def _nothing(_: tuple[int, int]) -> None:
    """There is nobody to tell."""
