"""Messages of a room, numbered without gaps. Every function works inside a transaction that its caller commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, literal, select
from sqlalchemy.dialects.sqlite import insert as upsert

from app.ids import new_id, rfc3339
from app.store.tables import messages, rooms

Link = Callable[[str], str]  # from an upload's ID to a signed URL


class Person(msgspec.Struct, frozen=True):
    """Who speaks or asks: a lasting identity and a name to show."""

    id: str
    name: str


SPILLWAY = Person("spillway", "Spillway")  # who speaks for the tasks


class Message(msgspec.Struct, kw_only=True):
    """One chat message as it is stored; `data` is JSON text, `at` seconds since 1970."""

    room: str
    seq: int = 0
    id: str
    key: str | None = None
    sender_id: str
    sender_name: str
    kind: str
    text: str
    data: str | None = None
    upload: str | None = None
    job: str | None = None
    at: float


def view(message: Message, link: Link) -> dict[str, Any]:
    """The message as `message:new` shows it; `data.url` is a fresh link to its upload."""
    data = msgspec.json.decode(message.data) if message.data is not None else {}
    if message.upload is not None:
        data["url"] = link(message.upload)
    seen = {
        "room": message.room,
        "seq": message.seq,
        "id": message.id,
        "key": message.key,
        "sender": {"id": message.sender_id, "name": message.sender_name},
        "kind": message.kind,
        "text": message.text,
        "data": data or None,
        "upload": message.upload,
        "job": message.job,
        "at": rfc3339(message.at),
    }
    return {key: value for key, value in seen.items() if value is not None}


def add(connection: Connection, message: Message) -> Message:
    """Store the message as the room's next one; returns it with its `seq`."""
    seq = connection.execute(_next_seq, {"name": message.room}).scalar_one()
    message = msgspec.structs.replace(message, seq=seq)
    connection.execute(_insert, msgspec.structs.asdict(message))
    return message


def add_from_user(
    connection: Connection, who: Person, room: str, key: str, text: str, upload: str | None, now: float
) -> Message:
    """Store what a person wrote."""
    return add(
        connection,
        Message(
            room=room,
            id=new_id(),
            key=key,
            sender_id=who.id,
            sender_name=who.name,
            kind="user",
            text=text,
            upload=upload,
            at=now,
        ),
    )


def add_from_job(
    connection: Connection,
    room: str,
    job: str,
    about: dict[str, Any],
    text: str,
    upload: str | None,
    now: float,
    kind: str,
) -> Message:
    """Store what a job tells the room; `about` says which task it was, and which message and person it concerns."""
    return add(
        connection,
        Message(
            room=room,
            id=new_id(),
            sender_id=SPILLWAY.id,
            sender_name=SPILLWAY.name,
            kind=kind,
            text=text,
            data=msgspec.json.encode(about).decode(),
            upload=upload,
            job=job,
            at=now,
        ),
    )


def find_by_key(connection: Connection, room: str, sender: str, key: str) -> Message | None:
    """The message this person already sent under this key, or None."""
    row = connection.execute(_by_key, {"r": room, "s": sender, "k": key}).first()
    return _from_row(row) if row else None


def newest_seq(connection: Connection, room: str) -> int:
    """The room's newest `seq`; 0 when nothing was ever said."""
    return connection.execute(select(rooms.c.seq).where(rooms.c.name == room)).scalar() or 0


def after(connection: Connection, room: str, seq: int, limit: int) -> list[Message]:
    """Messages after `seq`, oldest first."""
    query = select(messages).where(messages.c.room == room, messages.c.seq > seq).order_by(messages.c.seq).limit(limit)
    return [_from_row(row) for row in connection.execute(query)]


def before(connection: Connection, room: str, seq: int, limit: int) -> list[Message]:
    """The last messages before `seq`, oldest first."""
    query = (
        select(messages)
        .where(messages.c.room == room, messages.c.seq < seq)
        .order_by(messages.c.seq.desc())
        .limit(limit)
    )
    return [_from_row(row) for row in connection.execute(query)][::-1]


def history(connection: Connection, room: str, limit: int) -> list[dict[str, str]]:
    """What people wrote last, oldest first, as the `history` of a task."""
    query = (
        select(messages.c.sender_name, messages.c.text)
        .where(messages.c.room == room, messages.c.kind == "user")
        .order_by(messages.c.seq.desc())
        .limit(limit)
    )
    return [{"sender": name, "text": text} for name, text in connection.execute(query)][::-1]


def newest_by_people(connection: Connection, limit: int) -> list[tuple[str, str, float]]:
    """Room, sender and time of the newest user messages of all rooms, oldest first."""
    query = select(messages.c.room, messages.c.sender_id, messages.c.at).where(messages.c.kind == "user")
    return [(r, s, at) for r, s, at in connection.execute(query.order_by(messages.c.at.desc()).limit(limit))][::-1]


def _from_row(row: Row[Any]) -> Message:
    return Message(**row._mapping)


_insert = insert(messages)
_next_seq = (
    upsert(rooms)
    .values(name=bindparam("name"), seq=literal(1))
    .on_conflict_do_update(index_elements=[rooms.c.name], set_={"seq": rooms.c.seq + 1})
    .returning(rooms.c.seq)
)
_by_key = select(messages).where(
    messages.c.room == bindparam("r"), messages.c.sender_id == bindparam("s"), messages.c.key == bindparam("k")
)
