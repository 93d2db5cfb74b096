"""Pings of one client, and what happens when it does not answer (Engine.IO protocol 4, "Heartbeat")."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Patient(Protocol):
    """Whose heartbeat it is."""

    def ping(self) -> None:
        """Send a ping."""

    def no_pong(self) -> None:
        """None came in time."""


class Heartbeat:
    """Runs from the beginning; called on the loop."""

    __slots__ = ("_due", "_interval", "_loop", "_patient", "_timeout", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, patient: Patient, interval: float, timeout: float) -> None:
        self._loop, self._patient, self._interval, self._timeout = loop, patient, interval, timeout
        self._due = False
        self._timer = loop.call_later(interval, self._ping)

    def pong(self) -> None:
        """The client answered."""
        if self._due:
            self._due = False
            self._timer.cancel()
            self._timer = self._loop.call_later(self._interval, self._ping)

    def wait_longer(self) -> None:
        """Give the client as much time again."""
        self._timer = self._loop.call_later(self._timeout, self._patient.no_pong)

    def stop(self) -> None:
        """It is over."""
        self._timer.cancel()

    def _ping(self) -> None:
        self._due = True
        self.wait_longer()
        self._patient.ping()
