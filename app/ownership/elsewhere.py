"""Asking the owner of a room: what a client of ours wants there is carried out by its owner, once, whoever that is by then.

A question is asked again until it is answered or its time is up. The owner knows it by its number, and messages and jobs
by their keys, so that asking twice does nothing twice. Where the owner dies, the next one is asked; that may be us.
"""

from __future__ import annotations

import asyncio
import itertools
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from app.backplane.backplane import Backplane
from app.jobs.transitions import ANSWER_SECONDS, NOT_STORED
from app.loops import Loops
from app.payload import Refused
from app.rooms import Room
from app.store.errors import StoreUnavailable

log = structlog.get_logger()

LOOK_SECONDS = 0.2
AWAIT_SECONDS = 0.02  # between two looks whether all are answered
AGAIN_SECONDS = 0.7  # without an answer, after which a question is asked again

Answered = Callable[[bytes], None]


class Question:
    """One question on its way."""

    __slots__ = ("answered", "asked_at", "expires", "failed", "here", "kind", "process", "room", "values")

    def __init__(
        self,
        room: str,
        kind: str,
        values: tuple[Any, ...],
        answered: Answered,
        here: Callable[[], None],
        failed: Callable[[], None],
        expires: float,
    ) -> None:
        self.room, self.kind, self.values = room, kind, values
        self.answered, self.here, self.failed, self.expires = answered, here, failed, expires
        self.process, self.asked_at = "", 0.0


class Elsewhere:
    """Questions to the owners of rooms. On the loop."""

    def __init__(
        self,
        backplane: Backplane,
        loop: AbstractEventLoop,
        loops: Loops,
        find: Callable[[str], Coroutine[Any, Any, Room]],
        moved: Callable[[str, str], None],
    ) -> None:
        """`find` gives a room with its owner; `moved` is told that it is not, or not any more, this process."""
        self._backplane, self._loop, self._find, self._moved = backplane, loop, find, moved
        self._numbers = itertools.count(1)
        self._questions: dict[int, Question] = {}  # in the order in which they were asked
        self._finding: dict[str, Task[None]] = {}
        backplane.handle("answer", self._take_answer)
        backplane.handle("moved", self._take_moved)
        loops.tick(LOOK_SECONDS, "questions", self._look)

    def ask(
        self,
        room: Room,
        kind: str,
        values: tuple[Any, ...],
        answered: Answered,
        here: Callable[[], None],
        failed: Callable[[], None],
    ) -> None:
        """Ask the room's owner; `here` is called when that is us by now, `failed` when its time is up."""
        question = Question(room.name, kind, values, answered, here, failed, self._loop.time() + ANSWER_SECONDS)
        number = next(self._numbers)
        self._questions[number] = question
        if room.ours or not room.owner or room.name in self._finding:
            self._find_owner(room.name)
        else:
            self._send(number, question, room.owner)

    async def call(self, name: str, kind: str, *values: Any) -> bytes | None:
        """The answer of the room's owner, or None when that is us; raises Refused(busy), or StoreUnavailable."""
        room = await self._find(name)
        if room.ours:
            return None
        done: Future[bytes | None] = self._loop.create_future()

        def end(value: bytes | None) -> None:
            if not done.done():
                done.set_result(value)

        def fail() -> None:
            if not done.done():
                done.set_exception(Refused("busy", NOT_STORED.message, retry_after=1.0))

        self.ask(room, kind, values, end, lambda: end(None), fail)
        return await done

    async def answered(self, seconds: float) -> None:
        """Return once every question is answered, or its time is up, after so many seconds at the latest."""
        until = self._loop.time() + seconds
        while self._questions and self._loop.time() < until:
            await asyncio.sleep(AWAIT_SECONDS)

    def process_gone(self, process: str) -> None:
        """It will not answer any more: ask whoever owns its rooms now."""
        for question in list(self._questions.values()):
            if question.process == process:
                self._find_owner(question.room)

    def _send(self, number: int, question: Question, process: str) -> None:
        question.process, question.asked_at = process, self._loop.time()
        self._backplane.send(process, question.kind, number, question.room, *question.values)

    def _take_answer(self, _: str, number: int, body: bytes) -> None:
        question = self._questions.pop(number, None)
        if question is not None:
            question.answered(body)

    def _take_moved(self, sender: str, number: int) -> None:
        """Whoever was asked does not own the room, or gives it up."""
        question = self._questions.get(number)
        if question is not None and question.process == sender:
            question.process = ""
            self._moved(question.room, sender)
            self._find_owner(question.room)

    def _look(self) -> None:
        now = self._loop.time()
        for number, question in list(self._questions.items()):
            if question.expires <= now:
                del self._questions[number]
                question.failed()
            elif not question.process or now - question.asked_at > AGAIN_SECONDS:
                self._find_owner(question.room)

    def _find_owner(self, name: str) -> None:
        if name not in self._finding:
            self._finding[name] = self._loop.create_task(self._ask_owner(name))

    async def _ask_owner(self, name: str) -> None:
        try:
            room = await self._find(name)
        except StoreUnavailable as error:
            log.info("the owner of a room is not known yet", room=name, error=str(error))
            return
        finally:
            del self._finding[name]
        for number, question in list(self._questions.items()):
            if question.room != name:
                continue
            if room.ours:
                del self._questions[number]
                question.here()
            elif question.process != room.owner or self._loop.time() - question.asked_at > AGAIN_SECONDS:
                self._send(number, question, room.owner)
