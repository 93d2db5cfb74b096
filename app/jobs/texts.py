"""Texts that running attempts write: what has come of each, in which steps it is stored, and that it is shown then."""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop, Handle
from collections.abc import Callable
from typing import Any

import msgspec

from app.contract import Outcome
from app.effects import Effects, Piece
from app.jobs import ledger, runs
from app.jobs.job import Job
from app.jobs.life import Life
from app.store.operation import Operation, Rows

PIECE_SECONDS = 0.054  # at least between two pieces of a text: at most 18 a second, besides the first and the last
SLACK_SECONDS = 0.002  # by which a piece may come sooner, so that those of one turn go together
PROGRESS_SECONDS = 0.26  # at least between two words on how far a run has come


class Text:
    """What one attempt has written so far, and how much of it is stored and shown."""

    __slots__ = ("attempt", "first", "is_being_stored", "job", "run", "stored", "stored_at", "text")

    def __init__(self, job: str, attempt: int, run: str, text: str = "") -> None:
        self.job, self.attempt, self.run, self.text = job, attempt, run, text
        self.stored = len(text)  # code points
        self.first: int | None = None  # when its first piece was written, as the ledger has it
        self.stored_at = 0.0  # on the loop's clock
        self.is_being_stored = False


class Texts:
    """Takes what attempts write, stores it a few times a second, and has it shown once it is stored. On the loop."""

    def __init__(self, life: Life, loop: AbstractEventLoop, add: Callable[[Operation], None]) -> None:
        self._life, self._loop, self._add = life, loop, add
        self._texts: dict[str, Text] = {}  # by job
        self._fresh: dict[str, Text] = {}  # those of which not all is stored
        self._timer: Handle | None = None
        self._timer_at = 0.0
        self._written = 0  # when the newest piece was, as the ledger has it
        self._progress: dict[str, float] = {}  # job -> when its progress was last shown, on the loop's clock
        self._next_progress: dict[str, str] = {}
        self.ask: Callable[[str, int, int], None] = lambda job, attempt, offset: (
            None
        )  # what a worker wrote from there on

    def find(self, job: Job) -> Text | None:
        """What the job's running attempt has written, where it has written anything."""
        text = self._texts.get(job.id)
        return text if text is not None and text.attempt == job.attempt else None

    def take_up(self, job: Job, attempt: int, text: str) -> None:
        """What the last process had stored of an attempt that may still run."""
        if attempt == job.attempt:
            known = self._texts[job.id] = Text(job.id, attempt, runs.newest(job), text)
            known.first = 0
            job.text = longer(job.text, text)

    def unlike_shown(self, job: Job) -> Piece | None:
        """What the running attempt has written, while people still see the longer text of an earlier one."""
        text = self.find(job)
        if text is None or text.stored >= len(job.text or ""):
            return None
        return Piece(job.id, text.attempt, 0, text.text[: text.stored])

    def wrote(self, job: Job, attempt: int, offset: int, piece: str, run: str = "") -> None:
        """The attempt goes on at this offset; what is missing before it is asked for."""
        if job.final or job.attempt != attempt:
            return
        text = self.find(job)
        if text is None:
            text = self._texts[job.id] = Text(job.id, attempt, run)
        if text.run != run:
            return  # a second run of the same attempt: people have seen the first one's text
        if offset > len(text.text):
            self.ask(job.id, attempt, len(text.text))
        elif offset + len(piece) > len(text.text):
            text.text = text.text[:offset] + piece
            self._store_soon(text)

    def written(self) -> int:
        """The time of a piece that is stored now: microseconds since 1970, and more than that of any before."""
        self._written = max(self._written + 1, time.time_ns() // 1000)
        return self._written

    def oldest(self, ended: Job) -> int:
        """When the oldest piece was written that is needed once the attempt of this job has ended."""
        first = (text.first for text in self._texts.values() if text.job != ended.id and text.first is not None)
        return min(first, default=self._written + 1)

    def under_way(self) -> list[tuple[str, int, int]]:
        """The attempts at workers that may have written more than is known here: job, attempt, and from which offset on."""
        found = []
        for job in self._life.jobs.values():
            task = self._life.tasks.get(job.task)
            if task is not None and task.streams and job.path == "queued" and job.state == "running":
                text = self.find(job)
                found.append((job.id, job.attempt, len(text.text) if text else 0))
        return found

    def progressed(self, job: Job, attempt: int, progress: str, show: Callable[[Job, str], None]) -> None:
        """A run has come so far: shown at once, or in its turn where there was news just now."""
        if job.final or job.attempt != attempt:
            return
        due = self._progress.get(job.id, 0.0) + PROGRESS_SECONDS
        if due <= self._loop.time():
            self._progress[job.id] = self._loop.time()
            show(job, progress)
        else:
            if job.id not in self._next_progress:
                self._loop.call_at(due, self._show_progress, job, attempt, show)
            self._next_progress[job.id] = progress

    def rest(self, job: Job, outcome: Outcome) -> tuple[int, str]:
        """What people are still to see of the attempt that ended like this, and at which offset."""
        text = self.find(job)
        if text is None:
            return 0, _text_of(outcome) or ""
        whole = _text_of(outcome) or text.text
        if not whole.startswith(text.text[: text.stored]):  # never from our own workers: they send what they showed
            return 0, whole
        return text.stored, whole[text.stored :]

    def forget(self, job: Job) -> None:
        """The attempt is over."""
        self._texts.pop(job.id, None)
        self._fresh.pop(job.id, None)
        self._progress.pop(job.id, None)
        self._next_progress.pop(job.id, None)

    # Storing

    def stored(self, text: Text) -> None:
        """An operation with this text is over, one way or another."""
        text.is_being_stored = False
        if text.stored == len(text.text):
            self._fresh.pop(text.job, None)
        elif text.job in self._fresh and self._texts.get(text.job) is text:
            self._look_at(text.stored_at + PIECE_SECONDS)

    def _store_soon(self, text: Text) -> None:
        self._fresh[text.job] = text
        if not text.is_being_stored:
            self._look_at(text.stored_at + PIECE_SECONDS)

    def _look_at(self, due: float) -> None:
        """Look when this is due: what many write in one turn of the loop is one transaction."""
        now = self._loop.time()
        if self._timer is not None and self._timer_at <= max(due, now):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = max(due, now)
        self._timer = self._loop.call_at(due, self._look) if due > now else self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Store what is new and due, all of it in one transaction."""
        self._timer = None
        now = self._loop.time()
        waiting = [text for text in self._fresh.values() if not text.is_being_stored]
        due = [text for text in waiting if text.stored_at + PIECE_SECONDS <= now + SLACK_SECONDS]
        if due:
            self._store(due)
        if len(due) < len(waiting):
            self._look_at(min(text.stored_at for text in waiting if not text.is_being_stored) + PIECE_SECONDS)

    def _store(self, texts: list[Text]) -> None:
        now = self._loop.time()
        for text in texts:
            text.is_being_stored, text.stored_at = True, now
            del self._fresh[text.job]
        self._add(Write(self._life, self, texts))

    def _show_progress(self, job: Job, attempt: int, show: Callable[[Job, str], None]) -> None:
        progress = self._next_progress.pop(job.id, None)
        if progress is not None and job.attempt == attempt and not job.final:
            self._progress[job.id] = self._loop.time()
            show(job, progress)


class Write(Operation):
    """How texts go on: stored first, and shown then, so that nothing people have seen is ever gone."""

    def __init__(self, life: Life, texts: Texts, written: list[Text]) -> None:
        self.life, self.texts, self.written = life, texts, written
        self.taken: list[tuple[Text, Job, int, str, str | None]] = []

    def prepare(self, rows: Rows) -> None:
        """Those whose attempt still runs."""
        self.taken = []
        written = self.texts.written()
        for text in self.written:
            job = self.life.jobs.get(text.job)
            if job is None or job.final or job.attempt != text.attempt:
                continue
            piece = text.text[text.stored :]
            if not piece:
                continue  # the operation before took what came after it was made
            self.taken.append((text, job, text.stored, piece, job.text))
            if self.life.durable:
                ledger.write(rows, written, job, text.stored, piece)
            text.first = text.first if text.first is not None else written
            text.stored = len(text.text)
            job.text = longer(job.text, text.text)

    def undo(self) -> None:
        """As it was."""
        for text, job, offset, _, before in reversed(self.taken):
            text.stored, job.text = offset, before

    def done(self, effects: Effects) -> None:
        """Show it."""
        for text, job, offset, piece, _ in self.taken:
            self.life.show_first(effects, job)
            shown = Piece(job.id, text.attempt, offset, piece)
            effects.show_piece(self.life.rooms[job.room], job.task, shown)
        for text in self.written:
            self.texts.stored(text)

    def failed(self, effects: Effects, error: Exception) -> None:
        """A mistake of ours: the next pieces take these with them."""
        for text in self.written:
            self.texts.stored(text)


def longer(shown: str | None, new: str) -> str:
    """What people see: an earlier attempt's text until the next one has overtaken it."""
    return new if shown is None or len(new) >= len(shown) else shown


def _text_of(outcome: Outcome) -> str | None:
    """The text of a result, where it has one."""
    if outcome.state != "succeeded" or outcome.result is None or not outcome.result.startswith(b"{"):
        return None
    found: Any = msgspec.json.decode(outcome.result).get("text")
    return found if isinstance(found, str) else None
