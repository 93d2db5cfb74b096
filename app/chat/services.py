"""What other programs bring, over HTTP and NATS: accepted as from clients, and answered with what a client's ack says."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import structlog
from msgspec import Raw

from app.auth.grant import Grant, Role
from app.chat import reading
from app.chat.intake import Accepted, Intake, Wishes
from app.chat.loading import Loading
from app.chat.others import Others
from app.chat.post import with_link
from app.chat.rate import Rates
from app.contract import Create, JobRequest, JobView, NewJob, NewMessage, Person, RoomPage, Send, Sender
from app.effects import Reply
from app.jobs.job import Job, view
from app.jobs.lifecycle import Lifecycle
from app.jobs.transitions import ANSWER_SECONDS, NOT_STORED
from app.payload import Reader, Refused, check_name, ready, room_name
from app.rooms import Rooms
from app.store.errors import StoreUnavailable
from app.store.operation import Operation
from app.store.store import Store

log = structlog.get_logger()


@ready
class Ack(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a client would be told: `ok` with the message or job as JSON, or the error."""

    ok: bool
    message: Raw = Raw()
    job: Raw = Raw()
    duplicate: bool = False
    error: dict[str, Any] | None = None


MAX_REQUESTS = 1000  # over NATS that are answered at a time
MISTAKE = Refused("internal", "something went wrong on our side")

_read_request = Reader(JobRequest).read
_read_message = msgspec.json.Decoder(NewMessage).decode
_read_job = msgspec.json.Decoder(NewJob).decode
_read_ack = msgspec.json.Decoder(Ack).decode


class Services:
    """Messages and jobs of programs, which are in no room and have no connection. On the loop."""

    def __init__(
        self,
        intake: Intake,
        rooms: Rooms,
        loading: Loading,
        life: Lifecycle,
        store: Store,
        rates: Rates,
        loop: AbstractEventLoop,
    ) -> None:
        self._intake, self._rooms, self._loading, self._life = intake, rooms, loading, life
        self._store, self._rates, self._loop = store, rates, loop
        self._requests = 0  # that are under way
        self.others: Others | None = None  # where rooms may be those of other processes

    async def send(self, sender: Person, address: str | None, room: str, what: NewMessage, grant: Grant) -> Ack:
        """Store a message, show it to the room and start its jobs; raises Refused."""
        self._check(sender, address)
        role = grant.role if sender.id == grant.person.id else "member"  # not theirs for whom a program speaks
        return _accepted(await self._message(sender, role, room, what))

    async def ask(
        self, sender: Person, address: str | None, room: str, what: NewJob, grant: Grant | None = None
    ) -> Ack:
        """Accept a job; raises Refused. Whoever asks over NATS has no grant, and may ask for anything."""
        if grant is not None:
            self._intake.check_draft(what.task, grant)
        self._check(sender, address)
        return _accepted(await self._job(sender, room, what))

    async def serve_message(self, room: str, id: str, name: str, role: Role, body: bytes) -> bytes:
        """As `send`, for another process that was asked: the ack as JSON."""
        return await _or_refused(self._message(Person(id, name), role, room, _read_message(body)))

    async def serve_job(self, room: str, id: str, name: str, body: bytes) -> bytes:
        """As `ask`, likewise."""
        return await _or_refused(self._job(Person(id, name), room, _read_job(body)))

    async def serve_cancel(self, _: str, id: str) -> bytes:
        """Cancel a job of a room of ours, likewise: its view as JSON, empty when there is none."""
        job = await self._life.find(id)
        return msgspec.json.encode(view(await self._intake.cancel(job))) if job is not None else b""

    async def serve_replay(self, _: str, id: str) -> bytes:
        """Try a dead letter of a room of ours again, likewise."""
        return await _or_refused(self._replay_here(id))

    async def answer(self, room: str, task: str, body: bytes) -> bytes:
        """What is answered to a request over NATS: the ack, as JSON. Whoever may publish it may speak for others."""
        self._requests += 1
        try:
            ack = await self._answer(room, task, body)
        except Refused as refused:
            ack = Ack(ok=False, error=refused.as_error())
        except StoreUnavailable as error:
            log.error("store unavailable", error=str(error))
            ack = Ack(ok=False, error=NOT_STORED.as_error())
        except Exception:  # whatever it was, whoever asks gets an answer
            log.exception("a request could not be answered")
            ack = Ack(ok=False, error=MISTAKE.as_error())
        finally:
            self._requests -= 1
        return msgspec.json.encode(ack)

    async def _answer(self, room: str, task: str, body: bytes) -> Ack:
        if self._requests > MAX_REQUESTS:
            raise Refused("busy", "too many requests are under way: try again in a moment", retry_after=1.0)
        asked = _read_request(body)
        if asked.sender is None:
            raise Refused("bad_request", "`sender` says whose job it is", "sender")
        job = NewJob(task=task, **msgspec.structs.asdict(asked))
        return await self.ask(person_of(asked.sender), None, room_name(room), job)

    async def page(self, room: str, before: int, limit: int, grant: Grant) -> RoomPage:
        """The last messages before `before`, with their jobs, as far as they may be seen."""
        found, theirs, more = await self._store.read(lambda connection: reading.older(connection, room, before, limit))
        linked = [with_link(message, self._life.link) for message in found]
        return RoomPage(messages=linked, jobs=[view(job) for job in theirs if self.may_see(grant, job)], more=more)

    def may_see(self, grant: Grant, job: Job) -> bool:
        """Whether a job of a room they may enter is shown to them: drafts are for those who answer."""
        return grant.answers_people or not self._life.is_draft(job.task)

    async def cancel(self, id: str, grant: Grant) -> tuple[JobView, bool]:
        """Cancel a job that they may see; says whether it was unfinished. Raises Refused(not_found)."""
        job = await self._life.find(id)
        may_enter = job is not None and (grant.may_enter(job.room) or grant.role == "operator")
        if job is None or not (may_enter and self.may_see(grant, job)):
            raise Refused("not_found", "there is no such job")
        unfinished = not job.final
        answer = await self._elsewhere(job.room, "cancel", id) if unfinished else None
        if answer:
            return msgspec.json.decode(answer, type=JobView), unfinished
        return view(await self._intake.cancel(job)), unfinished

    async def replay(self, id: str) -> bytes:
        """Give a dead letter its attempts once more; returns its view as JSON. Raises Refused."""
        letter = await self._life.look_up(id)
        answer = await self._elsewhere(letter.room, "replay", id) if letter is not None else None
        return bytes(_accepted(answer or await self._replay_here(id)).job)

    async def _replay_here(self, id: str) -> bytes:
        return msgspec.json.encode(Ack(ok=True, job=Raw(msgspec.json.encode(view(await self._life.replay(id))))))

    async def _message(self, sender: Person, role: Role, room: str, what: NewMessage) -> bytes:
        message = Send(room=room, key=what.key, text=what.text, upload=what.upload, zone=what.zone)
        answer = await self._elsewhere(room, "message", sender.id, sender.name, role, msgspec.json.encode(what))
        return answer or await self._acknowledged(room, lambda: self._intake.message(sender, message, role))

    async def _job(self, sender: Person, room: str, what: NewJob) -> bytes:
        job = Create(room=room, key=what.key, task=what.task, args=what.args, zone=what.zone)
        wishes = Wishes(what.callback, what.delay_s)
        answer = await self._elsewhere(room, "job", sender.id, sender.name, msgspec.json.encode(what))
        return answer or await self._acknowledged(room, lambda: self._intake.job(sender, job, wishes))

    async def _elsewhere(self, room: str, kind: str, *values: Any) -> bytes | None:
        """What the room's owner answers; None when that is us."""
        return await self.others.call(room, kind, *values) if self.others is not None else None

    def _check(self, sender: Person, address: str | None) -> None:
        self._intake.check_open()
        self._rates.check(f"sender {sender.id}", address)

    async def _acknowledged(self, room: str, accept: Callable[[], Accepted]) -> bytes:
        with self._rooms.hold(await self._loading.room(room)):
            accepted = accept()
            operation = await accepted if isinstance(accepted, Coroutine) else accepted
            return await self._committed(operation)

    def _committed(self, operation: Operation) -> Future[bytes]:
        """The ack of an operation, once it is committed or given up."""
        acknowledged: Future[bytes] = self._loop.create_future()
        operation.reply = Reply(_Waits(acknowledged), b"-", _not_counted)  # type: ignore[attr-defined]  # as in Desk
        operation.urgent, operation.expires = True, operation.expires or self._loop.time() + ANSWER_SECONDS
        self._store.add(operation)
        return acknowledged


async def _or_refused(answer: Coroutine[Any, Any, bytes]) -> bytes:
    """The ack, or one that says what was refused."""
    try:
        return await answer
    except Refused as refused:
        return msgspec.json.encode(Ack(ok=False, error=refused.as_error()))


def _accepted(body: bytes) -> Ack:
    ack = _read_ack(body)
    if ack.error is not None:
        raise Refused(**ack.error)
    return ack


def person_of(sender: Sender) -> Person:
    """The person for whom a program speaks; raises Refused."""
    check_name(sender.id, "sender.id")
    check_name(sender.name, "sender.name")
    return Person(sender.id, sender.name)


class _Waits:
    """Stands where a connection would: whoever waits for the ack gets it."""

    def __init__(self, acknowledged: Future[bytes]) -> None:
        self._acknowledged = acknowledged

    def ack(self, id: bytes, body: bytes) -> None:
        """An acknowledgement arrives."""
        if not self._acknowledged.done():
            self._acknowledged.set_result(body)


def _not_counted(code: str) -> None:
    """Only answers to events are counted as such."""
