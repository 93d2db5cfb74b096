"""Three web processes on one database, and a crowd whose members come to any of them, and to another when theirs is away."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import time
from collections.abc import Iterator
from typing import Any

import psutil

from app.compare.client import ChatClient
from app.compare.system import System
from app.ports import free_port
from tests.cluster import running

COUNT = 3
KEY = secrets.token_hex(32)


class Several(System):
    """As `make run`, with several web processes on this PostgreSQL database."""

    def __init__(self, database: str, **settings: Any) -> None:
        several: dict[str, Any] = {
            "RATE_LIMIT": "off",
            "DATABASE_URL": database,
            "SECRET_KEY": KEY,
            "WEB": str(COUNT),
            "FRONT_PORT": str(free_port()),
        }
        super().__init__(first_port=str(free_port(*range(1, COUNT))), **several, **settings)
        first = self.port
        self.database: Any = None  # what a scenario needs of it, to break it
        self.urls = [f"http://127.0.0.1:{first + number}" for number in range(COUNT)]
        self._next = itertools.count()

    def web_process(self, number: int) -> psutil.Process | None:
        """One of the web processes, or None while it is away."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if f"web-{number + 1}.ready" in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                    return child
        return None

    def client(self, name: str, room: str) -> ChatClient:
        """Somebody who comes to one process after the other, as these are there."""
        return Roaming(self.urls, next(self._next), name, room)

    def hit(self, number: int, sign: int) -> None:
        """Send a signal to a web process that runs; waits for it to run first."""
        while (process := self.web_process(number)) is None:
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, sign)

    def is_ready(self, number: int) -> bool:
        """Whether this process has said so since it was last started."""
        process = self.web_process(number)
        with contextlib.suppress(OSError):
            return process is not None and (self.data / f"web-{number + 1}.ready").read_text() == f"{process.pid}\n"
        return False


class Roaming(ChatClient):
    """A client that tries the next address whenever it connects."""

    def __init__(self, urls: list[str], first: int, name: str, room: str) -> None:
        self._urls, self._turn = urls, itertools.count(first)
        super().__init__(urls[0], name, room)

    @property
    def url(self) -> str:
        """Another one each time."""
        return self._urls[next(self._turn) % len(self._urls)]

    @url.setter
    def url(self, _: str) -> None:
        """They are known."""


@contextlib.contextmanager
def several(settings: dict[str, Any]) -> Iterator[Several]:
    """The system with three web processes."""
    with running() as cluster, Several(cluster.database(), **settings) as system:
        yield system
