"""The end of people's tokens: told a minute before, and enforced."""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop, TimerHandle

import structlog

from app.auth.tokens import LEEWAY_SECONDS
from app.chat.clients import Client
from app.contract import Expiring
from app.rooms import packet

log = structlog.get_logger()

TELL_SECONDS = 60.0  # before the end
LOOK_SECONDS = 60.0  # at the latest: the end is an appointment on the wall clock, which can be set


class Expiry:
    """Watches the connections whose tokens end."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._timers: dict[Client, TimerHandle] = {}

    def watch(self, client: Client) -> None:
        """Tell this client in time, and hang up when its token has ended; from anew where it has another token."""
        self.forget(client)
        if client.grant.expires is not None:
            self._look_in(0.0, client, False)

    def forget(self, client: Client) -> None:
        """It is gone."""
        timer = self._timers.pop(client, None)
        if timer is not None:
            timer.cancel()

    def _look_in(self, seconds: float, client: Client, told: bool) -> None:
        self._timers[client] = self._loop.call_later(min(seconds, LOOK_SECONDS), self._look, client, told)

    def _look(self, client: Client, told: bool) -> None:
        left = (client.grant.expires or 0.0) - time.time()
        if left <= -LEEWAY_SECONDS:
            self._timers.pop(client, None)
            log.info("a token has ended, and its connection with it")
            client.connection.close()
            return
        if left <= TELL_SECONDS and not told:
            client.connection.emit(packet("auth:expiring", Expiring(max(0, round(left)))))
            told = True
        self._look_in(left + LEEWAY_SECONDS if told else left - TELL_SECONDS, client, told)
