"""Rooms for other programs: messages and jobs in, what was said out; and cancelling a job."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from msgspec import Meta

from app.auth.grant import Grant
from app.chat.services import Ack, Services, person_of
from app.contract import JobAccepted, MessageAccepted, NewJob, NewMessage, Person, RoomPage, Sender, Seq
from app.documents.route import route
from app.payload import Reader, Refused, ready, room_name
from app.web.access import Access
from app.web.answers import json
from app.web.asked import query
from app.web.waiting import Wait

T = TypeVar("T")

MAX_SEQ = 2**63 - 1
MAX_PAGE = 200  # messages in one answer
SPEAKS_FOR_OTHERS = ("service", "operator")


@ready
class WhichMessages(msgspec.Struct):
    """Which messages are asked for: those before this `seq`, and how many at most."""

    before: Seq = MAX_SEQ
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50


def rooms(services: Services, access: Access, wait: Wait) -> Blueprint:
    """POST /api/rooms/ROOM/messages and /jobs, GET /api/rooms/ROOM/messages, DELETE /api/jobs/ID."""
    blueprint = Blueprint("rooms", __name__, url_prefix="/api")
    read_message, read_job = Reader(NewMessage), Reader(NewJob)

    @blueprint.post("/rooms/<room>/messages")
    @route(
        "Store a message", MessageAccepted, status=201, needs="room", body=NewMessage, also=((200, MessageAccepted),),
        errors=("forbidden", "conflict", "not_found", "busy", "draining"),
    )  # fmt: skip
    def send(room: str) -> ResponseReturnValue:
        grant = access.of_room(room_name(room))
        what = _body(read_message)
        sender = sender_of(grant, what.sender)
        return _accepted(wait(services.send(sender, request.remote_addr, room, what, grant)), 201)

    @blueprint.post("/rooms/<room>/jobs")
    @route(
        "Ask for a job", JobAccepted, status=202, needs="room", body=NewJob, also=((200, JobAccepted),),
        errors=("forbidden", "conflict", "not_found", "unknown_task", "busy", "draining"),
    )  # fmt: skip
    def ask(room: str) -> ResponseReturnValue:
        grant = access.of_room(room_name(room))
        what = _body(read_job)
        return _accepted(wait(services.ask(sender_of(grant, what.sender), request.remote_addr, room, what, grant)), 202)

    @blueprint.get("/rooms/<room>/messages")
    @route("What was said before a message, oldest first", RoomPage, needs="room", query=WhichMessages)
    def page(room: str) -> ResponseReturnValue:
        grant = access.of_room(room_name(room))
        which = query(WhichMessages)
        return json(wait(services.page(room, which.before, which.limit, grant)))

    @blueprint.delete("/jobs/<id>")
    @route(
        "Cancel a job; a finished one is answered unchanged", JobAccepted, status=202, needs="room",
        also=((200, JobAccepted),), errors=("not_found", "conflict"),
    )  # fmt: skip
    def cancel(id: str) -> ResponseReturnValue:
        grant = access.grant()
        job, cancelled = wait(services.cancel(id, grant))
        return json(JobAccepted(job=job)), 202 if cancelled else 200

    return blueprint


def sender_of(grant: Grant, given: Sender | None) -> Person:
    """Who says it: the person of the token, or the one a program speaks for; raises Refused."""
    if given is None:
        if grant.is_open:
            raise Refused("bad_request", "under AUTH=open nobody is known: `sender` says whose it is", "sender")
        return grant.person
    if grant.role not in SPEAKS_FOR_OTHERS:
        roles = " or ".join(SPEAKS_FOR_OTHERS)
        raise Refused(
            "forbidden", f"only a token with role {roles} may name a sender: this one has {grant.role}", "sender"
        )
    return person_of(given)


def _body(reader: Reader[T]) -> T:
    if not request.is_json:
        raise Refused("bad_request", "the body must be JSON, with content type application/json")
    return reader.read(request.get_data(cache=False))


def _accepted(ack: Ack, status: int) -> ResponseReturnValue:
    """The message or job, with the status of something new, or 200 for what was there already."""
    answer = {"message": ack.message} if bytes(ack.message) else {"job": ack.job}
    return (json({**answer, "duplicate": True}), 200) if ack.duplicate else (json(answer), status)
