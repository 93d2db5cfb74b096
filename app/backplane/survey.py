"""Asking every web process at once, such as for its figures: what is shown is that of the whole, not of one of them."""

from __future__ import annotations

import asyncio
import itertools
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from typing import Any

from app.backplane.backplane import Backplane

WAIT_SECONDS = 1.0  # for the slowest: who has not answered by then is left out


class Survey:
    """Asks all others, and answers when asked. On the loop."""

    def __init__(self, backplane: Backplane, loop: AbstractEventLoop) -> None:
        self._backplane, self._loop = backplane, loop
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[Future[None], dict[str, bytes], int]] = {}
        self._answers: dict[str, Callable[..., bytes]] = {}
        backplane.handle("survey", self._take)
        backplane.handle("surveyed", self._take_answer)

    def answer(self, what: str, answer: Callable[..., bytes]) -> None:
        """What this process says when it is asked this; must not wait."""
        self._answers[what] = answer

    async def ask(self, what: str, *values: Any) -> dict[str, bytes]:
        """The answers of the other processes that are there, by their names."""
        others = self._backplane.others
        if not others:
            return {}
        number, answers = next(self._numbers), dict[str, bytes]()
        done: Future[None] = self._loop.create_future()
        self._waiting[number] = done, answers, len(others)
        for process in others:
            self._backplane.send(process, "survey", number, what, *values)
        try:
            await asyncio.wait_for(done, WAIT_SECONDS)
        except TimeoutError:
            pass  # those who have answered are enough
        finally:
            del self._waiting[number]
        return answers

    def _take(self, sender: str, number: int, what: str, *values: Any) -> None:
        answer = self._answers.get(what)
        if answer is not None:
            self._backplane.send(sender, "surveyed", number, answer(*values))

    def _take_answer(self, sender: str, number: int, body: bytes) -> None:
        waiting = self._waiting.get(number)
        if waiting is None:
            return
        done, answers, wanted = waiting
        answers[sender] = body
        if len(answers) == wanted and not done.done():
            done.set_result(None)
