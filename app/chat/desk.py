"""The one place where events arrive: read in one pass, answered in the order of each client, whatever was sent."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import Any, cast

import structlog

from app.auth.admission import Admission
from app.chat.clients import Client
from app.chat.events import Answer, Events
from app.chat.expiry import Expiry
from app.chat.others import Elsewhere, Others
from app.chat.rate import Rates
from app.contract import Create
from app.effects import Effects, Reply
from app.jobs.transitions import ANSWER_SECONDS
from app.metrics import Metrics
from app.payload import Reader, Refused, read, ready
from app.store.errors import StoreUnavailable
from app.store.operation import Operation
from app.store.store import Store

log = structlog.get_logger()

MAX_WAITING = 256  # events of one client behind one that is being answered; beyond that it is cut off
STORE_BUSY = Refused("busy", "it could not be stored just now: try again", retry_after=1.0)
MISTAKE = Refused("internal", "something went wrong on our side")


class Event:
    """One kind of event: how its data is read, and what answers it."""

    def __init__(self, name: str, kind: type[Any], answer: Callable[[Client, Any], Answer]) -> None:
        self.name, self.answer = name, answer
        self._kind = ready(kind)
        self._reader: Reader[tuple[str, Any]] = Reader(tuple[str, kind], free_form=kind is Create)  # type: ignore[valid-type]  # made at run time

    def read(self, body: bytes) -> Any:
        """The data of an event, given as the JSON array of name and data; raises Refused."""
        try:
            return self._reader.read(body)[1]
        except Refused:
            pass  # read again, so that the error names the field as the client knows it
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            raise _unreadable() from None
        return self.check(tuple(given[1:]))

    def check(self, data: tuple[Any, ...]) -> Any:
        """The data of an event, given as Python values; raises Refused."""
        if len(data) != 1:
            raise Refused("bad_request", f"{self.name} takes one object, not {len(data)}")
        return read(data[0], self._kind)


class Desk:
    """Takes events from the transport, and acknowledges them."""

    def __init__(
        self,
        events: Events,
        store: Store,
        rates: Rates,
        metrics: Metrics,
        publish: Callable[[Effects], None],
        full: Callable[[], bool],
        loop: asyncio.AbstractEventLoop,
        admission: Admission,
        expiry: Expiry,
    ) -> None:
        """`full` says whether there are too many clients, counting one who is about to be let in."""
        self._events, self._store, self._rates, self._metrics = events, store, rates, metrics
        self._publish, self._full, self._loop = publish, full, loop
        self._admission, self._expiry = admission, expiry
        self._table = {name.encode(): Event(name, *each) for name, each in events.table().items()}
        self.others: Others | None = None  # where rooms may be those of other processes
        self._counters = {name: partial(metrics.event_answered, name) for name in (*events.table(), "unknown")}
        self.clients: set[Client] = set()

    def connect(self, connection: Any, address: str, auth: Any) -> None:
        """Let somebody in; raises Refused."""
        grant = self._admission.grant(auth)
        if self._full():
            raise Refused("busy", "too many people are connected: try again in a moment", retry_after=5.0)
        connection.who = Client(connection, grant, address)
        self.clients.add(connection.who)
        self._expiry.watch(connection.who)

    def disconnect(self, connection: Any) -> None:
        """Somebody is gone."""
        client: Client | None = connection.who
        if client is not None:
            self.clients.discard(client)
            self._expiry.forget(client)
            self._rates.forget(connection.sid)
            self._events.forget(client)

    def take(self, connection: Any, id: bytes, body: bytes) -> bool:
        """Answer an event, or keep it until those before it are answered; always ours."""
        self.receive(connection.who, id, body)
        return True

    def receive(self, client: Client, id: bytes, body: bytes) -> None:
        """As `take`, for a client who may be connected to another process."""
        if client.waiting is None:
            self._take(client, id, body)
        elif len(client.waiting) < MAX_WAITING:
            client.waiting.append((id, body))
        else:
            client.connection.close()

    def why_not(self, name: str, data: tuple[Any, ...]) -> Refused:
        """Why an event that came with binary data, or that is none, is refused."""
        event = self._table.get(name.encode("utf-8", "replace"))
        self._counters[event.name if event else "unknown"]("bad_request")
        if event is None:
            return _unreadable() if name == UNREADABLE_NAME else _no_such_event()
        try:
            event.check(data)
        except Refused as refused:
            return refused
        return Refused("bad_request", "binary data where JSON is expected")

    def _take(self, client: Client, id: bytes, body: bytes) -> None:
        event = self._table.get(body[2 : body.find(b'"', 2)]) if body[:2] == b'["' else None
        reply = Reply(client.connection, id, self._counters[event.name if event else "unknown"])
        try:
            if not client.is_visitor:  # whose process has looked
                self._rates.check(client.sid, client.address)
            if event is None:
                raise _not_known(body)
            answer = event.answer(client, event.read(body))
        except Exception as error:  # whatever it was, the client gets an answer
            self._refuse(reply, error)
            return
        if type(answer) is Elsewhere:
            self._forward(answer, client, reply, body)
        elif type(answer) is CoroutineType:
            client.waiting = deque()
            self._loop.create_task(self._answer_later(client, reply, answer, body))
        else:
            self._answer(reply, cast("dict[str, Any] | Operation", answer))

    def _answer(self, reply: Reply, answer: dict[str, Any] | Operation) -> None:
        if isinstance(answer, Operation):
            answer.reply = reply  # type: ignore[attr-defined]  # every operation of an event has one
            answer.urgent, answer.expires = True, answer.expires or self._loop.time() + ANSWER_SECONDS
            self._store.add(answer)
        else:
            effects = Effects()
            effects.reply(reply, answer)
            self._publish(effects)

    async def _answer_later(self, client: Client, reply: Reply, answer: Coroutine[Any, Any, Any], body: bytes) -> None:
        try:
            found = await answer
            if type(found) is Elsewhere:
                self._forward(found, client, reply, body)
            else:
                self._answer(reply, found)
        except Exception as error:  # as above
            self._refuse(reply, error)
        waiting, client.waiting = client.waiting or deque(), None
        while waiting:
            self._take(client, *waiting.popleft())
            if client.put_behind(waiting):
                return

    def _forward(self, answer: Elsewhere, client: Client, reply: Reply, body: bytes) -> None:
        if self.others is not None:
            again = partial(self.receive, client, reply.id, body)  # when the room is ours by then
            self.others.forward(answer.room, client, reply, body, again)

    def _refuse(self, reply: Reply, error: Exception) -> None:
        if isinstance(error, Refused):
            refused = error
        elif isinstance(error, StoreUnavailable):
            log.error("store unavailable", error=str(error))
            refused = STORE_BUSY
        else:
            log.error("an event could not be answered", exc_info=error)
            refused = MISTAKE
        log.info("refused", code=refused.code, field=refused.field)
        effects = Effects()
        effects.refuse(reply, refused)
        self._publish(effects)


def _unreadable() -> Refused:
    return Refused("bad_request", "this is not an event: expected an array of its name and one object")


def _no_such_event() -> Refused:
    return Refused("bad_request", "there is no such event")


def _not_known(body: bytes) -> Refused:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return _unreadable()
    known = isinstance(given, list) and given and isinstance(given[0], str) and given[0] != UNREADABLE_NAME
    return _no_such_event() if known else _unreadable()


UNREADABLE_NAME = "(unreadable)"  # what the transport calls a packet that is no event
