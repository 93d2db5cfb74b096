"""How an attempt ends, as an operation: another attempt, or an answer that is shown in its turn with what follows from it."""

from __future__ import annotations

import time
from asyncio import Future
from copy import copy
from typing import Any

from app.callbacks.kept import record
from app.contract import SPILLWAY, JobError, MessageView, Outcome
from app.effects import Effects, Piece, Receipt
from app.ids import new_id, rfc3339
from app.jobs import ledger
from app.jobs.consequences import NOTHING, Consequences, words_of_failure
from app.jobs.job import INTERRUPTED, LOST, Job, context, error_text, with_error
from app.jobs.life import Life
from app.jobs.retries import next_attempt
from app.jobs.texts import longer
from app.jobs.transitions import Accept, restore
from app.store.operation import Operation, Rows, add_row
from app.store.statements import message_row


class Settle(Operation):
    """How an attempt ended: another attempt, or a final state that is shown in its turn, with what follows from it.

    All of it is one transaction: the outcome, its message for the room and the jobs that follow. With `at_once` the job
    does not wait for its turn (it was cancelled).
    """

    def __init__(
        self,
        life: Life,
        job: Job,
        attempt: int,
        outcome: Outcome,
        consequences: Consequences = NOTHING,
        receipt: Receipt | None = None,
        waiter: Future[Any] | None = None,
        at_once: bool = False,
    ) -> None:
        self.life, self.job, self.attempt, self.outcome = life, job, attempt, outcome
        self.consequences, self.receipt, self.waiter, self.at_once = consequences, receipt, waiter, at_once
        self.room = life.rooms[job.room]
        self.dropped: str | None = None
        self.stale = False
        self.before: list[tuple[Job, Job]] = []
        self.delivered: list[Delivered] = []
        self.rest: Piece | None = None  # what people are still to see of its text

    def prepare(self, rows: Rows) -> None:
        """The first outcome of the current attempt counts; later ones and those of older attempts are dropped."""
        job = self.job
        self.before, self.delivered, self.rest = [], [], None
        self.dropped = "already final" if job.final else "another attempt" if job.attempt != self.attempt else None
        self.stale = self.life.is_stale(job)
        if self.dropped or self.stale:
            return
        self.before.append((job, copy(job)))
        error = self.outcome.error
        if error is not None and error.code == INTERRUPTED:
            job.deaths += 1
        again = self._next_attempt(error) if self.life.durable else None
        if again is not None and error is not None:
            self._retry(rows, again)
        else:
            self._end(rows)

    def _next_attempt(self, error: JobError | None) -> dict[str, Any] | None:
        task, retries = self.life.tasks.get(self.job.task), self.life.controls.retries(self.job.task)
        return next_attempt(self.job, task, error, retries)

    def _retry(self, rows: Rows, again: dict[str, Any]) -> None:
        job = self.job
        if self.outcome.error is not None and again.pop("counts"):
            job.errors = with_error(job, self.outcome.error)
        job.state, job.ms, job.run, job.parked = "retrying", self.outcome.ms, None, False
        job.attempt, job.attempts, job.due = again["attempt"], again["attempts"], again["due"]
        job.progress = None
        ledger.update(rows, job)
        if job.text is not None:
            ledger.forget_pieces(rows, job, self.life.texts.oldest(job))

    def _end(self, rows: Rows) -> None:
        job, outcome, now = self.job, self.outcome, time.time()
        job.state, job.finished, job.ms, job.parked = outcome.state, now, outcome.ms, False
        job.started = job.started or now - (outcome.ms or 0) / 1000  # workers announce no short runs
        job.result = None if outcome.result is None else outcome.result.decode()
        job.error = None if outcome.error is None else error_text(outcome.error)
        job.dead = outcome.state == "failed" and self.life.durable
        task = self.life.tasks.get(job.task)
        if task is not None and task.streams:
            self._end_text(rows)
        if job.due is not None:  # it waited for its time: nothing is due any more
            job.due = None
            ledger.update(rows, job)
        line = self.room.lines.get(job.task)
        if line is None or self.at_once or line.first() in (job.n, None):
            self._deliver(rows, job, self.consequences)
            self._deliver_held(rows)
        else:  # somebody asked before: the outcome is kept, and shown in its turn
            line.held[job.n] = job
            self.life.consequences[job.n] = self.consequences
            if self.life.durable:
                ledger.settle(rows, job)

    def _end_text(self, rows: Rows) -> None:
        """People see the rest of its text now; what did not succeed keeps what they have seen."""
        job = self.job
        offset, text = self.life.texts.rest(job, self.outcome)
        self.rest = Piece(job.id, job.attempt, offset, text, last=True)
        written = self.life.texts.find(job)
        if job.state == "succeeded":
            job.text = None  # it is in the result
        elif written is not None:
            job.text = longer(job.text, written.text)
        if self.life.durable:
            ledger.update(rows, job)
            ledger.forget_pieces(rows, job, self.life.texts.oldest(job))

    def _deliver_held(self, rows: Rows) -> None:
        """Show those behind it whose turn has come: they have ended, and so have all before them."""
        line = self.room.lines.get(self.job.task)
        while line is not None and (n := line.first()) in line.held:
            held = line.held.pop(n)
            self.before.append((held, copy(held)))
            self._deliver(rows, held, self.life.consequences.get(n, NOTHING))

    def _deliver(self, rows: Rows, job: Job, consequences: Consequences) -> None:
        life, room = self.life, self.room
        job.delivered = True
        job.changed = None if job.message == room.next_seq else room.next_seq
        if life.durable:
            ledger.settle(rows, job)
        if job.callback is not None:
            record(rows, job)
        if job.task in room.lines:
            life.leave_line(room, job)
        said = consequences.said
        if job.state == "failed" and job.key is not None and not life.is_draft(job.task):
            said = words_of_failure(life.tasks.get(job.task), job, kept=life.durable)
        delivered = Delivered(life, job, said)
        self.delivered.append(delivered)
        delivered.prepare(rows, consequences)

    def undo(self) -> None:
        """Every job, line and count as it was."""
        for delivered in reversed(self.delivered):
            delivered.undo()
        held = {each.job.n for each in self.delivered} - {self.job.n}
        for job, before in reversed(self.before):
            restore(job, before)
            if self.life.durable and self.life.is_ordered(job.task) and not job.delayed:
                line = self.room.line(job.task)
                if any(each.job is job for each in self.delivered):
                    line.join(job.n)
                line.held.pop(job.n, None)
                if job.n in held:
                    line.held[job.n] = job

    def done(self, effects: Effects) -> None:
        """Show what was delivered, start what follows, wait with the retry, and acknowledge where it came from."""
        if self.stale:
            self.life.again(self)
            return
        if self.job.attempt == LOST:
            return  # nothing is acknowledged: it comes again, to whoever owns the room now
        if not self.dropped:
            self.life.routing.over(self.job)
        if self.dropped != "another attempt":
            self.life.begun.forget(self.job.n)
        effects.received(self.receipt)
        effects.answer(self.waiter, self.job)
        if self.rest is not None and not self.dropped:
            effects.show_piece(self.room, self.job.task, self.rest)
        if self.dropped:
            self.life.metrics.outcome_dropped(self.dropped)
        elif self.job.state == "retrying":
            self.life.texts.forget(self.job)
            self.life.retry_later(effects, self.room, self.job)
        for delivered in self.delivered:
            delivered.done(effects)

    def failed(self, effects: Effects, error: Exception) -> None:
        """Never given up: an outcome is settled again until it is stored."""


class Turn(Settle):
    """An outcome that was kept before a restart: shown as soon as those before it have ended."""

    def __init__(self, life: Life, job: Job) -> None:
        super().__init__(life, job, job.attempt, Outcome(state=job.state))

    def prepare(self, rows: Rows) -> None:
        """Deliver it and those behind it, as far as their turn has come."""
        self.before, self.delivered = [], []
        self.dropped = "already final" if self.job.delivered else None
        line = self.room.lines.get(self.job.task)
        if self.dropped:
            return
        if line is None or self.job.n not in line.held:
            self.before.append((self.job, copy(self.job)))
            self._deliver(rows, self.job, self.life.consequences.get(self.job.n, NOTHING))
        else:
            self._deliver_held(rows)


class Delivered:
    """One job whose answer is shown, what it says, and the jobs that follow it."""

    def __init__(self, life: Life, job: Job, said: Any) -> None:
        self.life, self.job, self.said = life, job, said
        self.room = life.rooms[job.room]
        self.message: MessageView | None = None
        self.followers: list[Accept] = []

    def prepare(self, rows: Rows, consequences: Consequences) -> None:
        """Store the message and the jobs."""
        if self.said is not None:
            self.message = self._store_message(rows)
        for task, args in consequences.followers if self.job.state == "succeeded" else ():
            accept = Accept(self.life, self.life.follower(self.job, task, args))
            self.followers.append(accept)
            accept.prepare(rows)

    def _store_message(self, rows: Rows) -> MessageView:
        job, room = self.job, self.room
        room.next_seq += 1
        kind = "system" if job.state == "failed" else "ml"
        at, about, upload = time.time(), {**(self.said.data or {}), **context(job)}, self.said.upload
        task = self.life.tasks.get(job.task)
        if task is not None and task.streams and b'"truncated":true' in (job.result or "").encode():
            about["truncated"] = True
        if upload is not None:
            about |= self.life.size(upload)
            add_row(rows, "use", (upload,))
        message = MessageView(
            room=room.name,
            seq=room.next_seq,
            id=new_id(),
            sender=SPILLWAY,
            kind=kind,
            text=self.said.text,
            data=about,
            upload=upload,
            job=job.id,
            at=rfc3339(at),
        )
        add_row(rows, "message", message_row(message, at))
        if upload is not None:
            about["url"] = self.life.link(upload)  # links end, so none is stored
        return message

    def undo(self) -> None:
        """Give back what was taken."""
        for accept in reversed(self.followers):
            accept.undo()
        if self.message is not None:
            self.room.next_seq -= 1

    def done(self, effects: Effects) -> None:
        """The answer first, then its message, then what follows."""
        self.life.ended(self.room, self.job)
        effects.show_job(self.room, self.job)
        if self.message is not None:
            self.room.seq = self.message.seq
            self.life.metrics.message_stored(self.message.kind)
            effects.show("message:new", self.room, self.message, self.message.seq)
        for accept in self.followers:
            accept.done(effects)
        if self.job.callback is not None:
            self.life.call_back()
