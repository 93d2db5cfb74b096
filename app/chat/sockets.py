"""The one place where events arrive: Socket.IO in, an ack out, whatever was sent.

Handlers sit on python-socketio's server, not on Flask-SocketIO's decorators: those push a request context for every
event, which is a fifth of an echo's time (findings.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import socketio
import structlog
from socketio.exceptions import ConnectionRefusedError
from socketio.packet import BINARY_ACK, BINARY_EVENT, EVENT, Packet

from app.chat.audience import Audience
from app.chat.events import Events
from app.chat.people import Client, People
from app.chat.rate import Rates
from app.messages import Person
from app.metrics import Metrics
from app.payload import Identifier, PersonName, Refused, read, ready
from app.store.store import StoreUnavailable

log = structlog.get_logger()

UNREADABLE = "(unreadable)"
ATTACHMENTS = 4  # binary attachments of one event we are ready to hold
RESERVED = ("connect", "disconnect")


@ready
class Auth(msgspec.Struct, forbid_unknown_fields=True):
    """What a client says of itself when it connects."""

    name: PersonName
    id: Identifier | None = None


class Json:
    """How python-socketio turns data into JSON and back: written by msgspec, read with NaN let through to be refused."""

    @staticmethod
    def dumps(data: Any, **_: Any) -> str:
        """The data as JSON without spaces."""
        return msgspec.json.encode(data).decode()

    @staticmethod
    def loads(text: str) -> Any:
        """The data, where the standard library understands more than JSON allows; what does not fit is refused later."""
        return json.loads(text)


class SafePacket(Packet):  # type: ignore[misc]  # python-socketio ships no types
    """A packet that can always be decoded: what makes no sense becomes an event that is refused like any other."""

    uses_binary_events = False  # we send JSON only, and need not look for bytes in everything we send
    json = Json

    def decode(self, encoded_packet: Any) -> int:
        """How many attachments follow; never raises."""
        try:
            attachments = int(super().decode(encoded_packet) or 0)
            sensible = self._is_sensible(attachments)
        except (ValueError, TypeError, RecursionError, AttributeError):
            sensible = False
        if not sensible:
            self.packet_type, self.data = EVENT, [UNREADABLE]
            return 0
        return attachments

    def _is_sensible(self, attachments: int) -> bool:
        if self.packet_type in (BINARY_EVENT, BINARY_ACK) and not 0 < attachments <= ATTACHMENTS:
            return False
        if self.packet_type not in (EVENT, BINARY_EVENT):
            return True
        return (
            isinstance(self.data, list)
            and bool(self.data)
            and isinstance(self.data[0], str)
            and self.data[0] not in RESERVED
        )


class Sockets:
    """Connections and their events."""

    def __init__(
        self,
        server: socketio.Server,
        events: Events,
        people: People,
        audience: Audience,
        rates: Rates,
        metrics: Metrics,
        most: int,
    ) -> None:
        self._people, self._audience, self._rates = people, audience, rates
        self._metrics, self._most, self._table = metrics, most, events.table()
        server.on("connect", self._connect)
        server.on("disconnect", self._disconnect)
        for name in self._table:
            server.on(name, self._handler(name))
        server.on("*", lambda event, sid, *_: self._answer(event, sid, _unknown(event)))

    def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        try:
            who = read(auth, Auth)
            if len(self._people) >= self._most:
                raise Refused("busy", "too many people are connected: try again in a moment", retry_after=5.0)
        except Refused as refused:
            log.info("connection refused", code=refused.code, field=refused.field)
            raise ConnectionRefusedError(refused.message, refused.as_error()) from None
        address = str(environ.get("REMOTE_ADDR", ""))
        self._people.connected(Client(sid, Person(who.id or who.name, who.name), address))

    def _disconnect(self, sid: str, _reason: str) -> None:
        client = self._people.disconnected(sid)
        self._rates.forget(sid)
        for room in client.rooms if client else ():
            self._audience.members(room, self._people.members(room))

    def _handler(self, event: str) -> Callable[..., dict[str, Any]]:
        kind, function = self._table[event]
        ready(kind)

        def handle(sid: str, *data: Any) -> dict[str, Any]:
            def answer(client: Client) -> dict[str, Any]:
                if len(data) != 1:
                    raise Refused("bad_request", f"{event} takes one object, not {len(data)}")
                return function(client, read(data[0], kind))

            return self._answer(event, sid, answer)

        return handle

    def _answer(self, event: str, sid: str, answer: Callable[[Client], dict[str, Any]]) -> dict[str, Any]:
        """The ack, always in the contract's shape; the log gets one line without the payload."""
        try:
            client = self._people.find(sid)
            if client is None:
                raise Refused("unauthorized", "this connection was never accepted")
            self._rates.check(client)
            ack = {"ok": True, **answer(client)}
        except Refused as refused:
            ack = self._refusal(event, refused)
        except StoreUnavailable as error:
            log.error("store unavailable", socket_event=event, error=str(error))
            ack = self._refusal(event, Refused("busy", "it could not be stored just now: try again", retry_after=1.0))
        except Exception:
            log.exception("handler failed", socket_event=event)
            ack = self._refusal(event, Refused("internal", "something went wrong on our side"))
        name = event if event in self._table else "unknown"
        self._metrics.events.labels(name, "ok" if ack["ok"] else ack["error"]["code"]).inc()
        return ack

    def _refusal(self, event: str, refused: Refused) -> dict[str, Any]:
        name = event if event in self._table else "unknown"
        log.info("refused", socket_event=name, code=refused.code, field=refused.field)
        return {"ok": False, "error": refused.as_error()}


def _unknown(event: str) -> Callable[[Client], dict[str, Any]]:
    def answer(_: Client) -> dict[str, Any]:
        if event == UNREADABLE:
            raise Refused("bad_request", "this is not an event: an array of its name and one object is right")
        raise Refused("bad_request", "there is no such event")

    return answer
