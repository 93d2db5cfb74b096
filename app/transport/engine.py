"""The bridge to python-engineio and python-socketio, and the only place that knows their private names.

Each name that is overridden or called here and is no part of their documented interfaces stands in PRIVATE;
tests/transport/test_upstream.py fails when one of them, or a version, is another than what this was written for.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any

import engineio
import socketio
import structlog
from engineio.exceptions import ContentTooLongError, EngineIOError
from socketio import packet as packets
from socketio.exceptions import ConnectionRefusedError

from app.concurrency import Concurrency
from app.transport.connection import Connection
from app.transport.listener import UPGRADE, Upgrade
from app.transport.polling import Encoded, PollingError
from app.transport.session import Attachment, End, Incoming, Outgoing, Session
from app.transport.websocket import Output, Receiver, WebSocket

log = structlog.get_logger()

WRITTEN_FOR = {"python-engineio": "4.15.1", "python-socketio": "5.18.1", "flask-socketio": "5.7.0"}
PRIVATE = {
    engineio.Server: (
        "_handle_connect", "_upgrades", "_ok", "_bad_request", "_unauthorized", "_trigger_event", "_get_socket",
    ),
    socketio.Server: (
        "_engineio_server_class", "_handle_eio_connect", "_handle_eio_message", "_handle_eio_disconnect",
        "_handle_connect", "_handle_disconnect", "_handle_event", "_handle_ack", "_trigger_event", "_send_packet",
        "_send_eio_packet",
    ),
    socketio.Manager: (
        "emit", "get_participants", "pre_connect", "connect", "pre_disconnect", "disconnect", "basic_enter_room",
        "basic_leave_room", "basic_disconnect", "sid_from_eio_sid", "eio_sid_from_sid",
    ),
}  # fmt: skip

MAX_ATTACHMENTS = 64  # of one packet; they are held until the last has come
HELD_BY_SERVERS = ("wsgi.input", "wsgi.errors", "eventlet.", "werkzeug.", "spillway.", "headers_raw")
DONE = (packets.EVENT, packets.BINARY_EVENT)


class BadPacket(Exception):
    """A client sent what is no Socket.IO packet; the protocol wants the connection closed."""


class Hooks:
    """What the application may set to handle events on the loop; see Transport."""

    on_event: Callable[[Connection, bytes, bytes], bool] | None = None
    on_connect: Callable[[Connection, dict[str, Any], Any], None] | None = None
    on_disconnect: Callable[[Connection], None] | None = None


class Engine(engineio.Server):  # type: ignore[misc]  # ships no types
    """python-engineio's server over our sessions."""

    def __init__(self, owner: Server, **options: Any) -> None:
        super().__init__(**options, monitor_clients=False)  # each session has a timer of its own
        self._owner = owner

    def handle_request(self, environ: dict[str, Any], start_response: Any) -> Any:
        """As the protocol has it, where python-engineio is more lenient."""
        query = environ.get("QUERY_STRING", "")
        response = None
        if "transport=" not in query or environ["REQUEST_METHOD"] not in ("GET", "POST", "OPTIONS"):
            response = self._bad_request()
        elif UPGRADE in environ and self._refuse_second(environ[UPGRADE], query):
            return ()
        try:
            if response is None:
                return super().handle_request(environ, start_response)
        except KeyError:  # the session ended in another thread in this moment
            response = self._bad_request("Invalid session")
        start_response(response["status"], response["headers"])
        return [response["response"]]

    def _refuse_second(self, upgrade: Upgrade, query: str) -> bool:
        """Close a websocket of a client that has one: after the handshake, for browsers do not see why one fails."""
        session = self.sockets.get(urllib.parse.parse_qs(query).get("sid", [""])[0])
        if session is None or not (session.upgraded or session.probing):
            return False
        session.refuse(upgrade)
        return True

    def disconnect(self, sid: str | None = None) -> None:
        """Hang up on one client or all; never waits."""
        for session in [self.sockets.get(sid)] if sid is not None else list(self.sockets.values()):
            if session:
                session.close()

    def _upgrades(self, sid: str, transport: str) -> list[str]:
        return ["websocket"] if self.allow_upgrades and transport == "polling" else []

    def _ok(self, packets: Any = None, headers: Any = None, jsonp_index: Any = None) -> Any:
        response = super()._ok(packets, headers, jsonp_index)
        return response if packets is not None else {**response, "response": b"ok"}

    def _handle_connect(
        self, environ: dict[str, Any], start_response: Any, transport: str, jsonp_index: Any = None
    ) -> Any:
        upgrade = environ.get(UPGRADE)
        if transport == "websocket" and upgrade is None:
            return self._bad_request("This server does not open websockets")
        return self._owner.concurrency.call(self._open, environ, upgrade, jsonp_index)

    def _open(self, environ: dict[str, Any], upgrade: Upgrade | None, jsonp_index: Any) -> Any:
        sid = self.generate_id()
        session = Bridged(self._owner, sid)
        self.sockets[sid] = self._owner.sessions[sid] = session
        first = self._opening(sid, "websocket" if upgrade else "polling")
        self._trigger_event("connect", sid, _kept(environ))
        if upgrade:
            session.open_websocket(upgrade, first.encode())
            return []
        session.open_polling()
        return self._ok([Encoded(first)], jsonp_index=jsonp_index)

    def _opening(self, sid: str, transport: str) -> str:
        values = {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingTimeout": int(self.ping_timeout * 1000),
            "pingInterval": int((self.ping_interval + self.ping_interval_grace_period) * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
        return "0" + str(engineio.packet.Packet.json.dumps(values, separators=(",", ":")))


class Bridged(Session):
    """A session with the two methods through which python-engineio hands it requests."""

    __slots__ = ()

    def handle_get_request(self, environ: dict[str, Any], start_response: Any) -> Any:
        """The packets that wait for the client; raises EngineIOError when the session is to be closed."""
        upgrade = environ.get(UPGRADE)
        if upgrade is not None:
            self.probe(upgrade)
            return ()
        try:
            return self.poll(self._owner.concurrency.request_socket(environ))
        except PollingError as error:
            raise EngineIOError(str(error)) from None

    def handle_post_request(self, environ: dict[str, Any]) -> None:
        """Take what the client sends; raises EngineIOError when the session is to be closed."""
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > self._owner.max_message:
            raise ContentTooLongError
        body = environ["wsgi.input"].read(int(length))
        if len(body) < int(length):
            raise EngineIOError("a body is cut short")
        try:
            self.post(body)
        except PollingError as error:
            raise EngineIOError(str(error)) from None


class Manager(socketio.Manager):  # type: ignore[misc]  # ships no types
    """python-socketio's rooms, with packets packed once and without a look at every room when a client leaves."""

    def __init__(self) -> None:
        super().__init__()
        self._entered: dict[tuple[str, str], set[Any]] = {}  # (namespace, sid) -> rooms besides its own

    def emit(self, event: str, data: Any, namespace: str, room: Any = None, skip_sid: Any = None,
             callback: Any = None, to: Any = None, **options: Any) -> None:  # fmt: skip
        """Send an event to everybody in a room."""
        if callback:
            super().emit(event, data, namespace, room, skip_sid, callback, to, **options)
            return
        values = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        packet = self.server.packet_class(packets.EVENT, namespace=namespace, data=[event, *values])
        encoded = packet.encode()
        skipped = skip_sid if isinstance(skip_sid, list) else [skip_sid]
        sockets = self.server.eio.sockets
        recipients = [
            sockets.get(eio_sid) for sid, eio_sid in self.get_participants(namespace, to or room) if sid not in skipped
        ]
        parts = encoded if isinstance(encoded, list) else [encoded]
        outgoing = Outgoing([f"4{part}" if isinstance(part, str) else bytes(part) for part in parts])
        self.server.concurrency.post(_deliver, recipients, outgoing)

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """As python-socketio, and remembered by client."""
        super().basic_enter_room(sid, namespace, room, eio_sid)
        if room is not None and room != sid:
            self._entered.setdefault((namespace, sid), set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """As python-socketio."""
        super().basic_leave_room(sid, namespace, room)
        self._entered.get((namespace, sid), set()).discard(room)

    def basic_disconnect(self, sid: str, namespace: str, **options: Any) -> None:
        """As python-socketio, which looks through every room there is: 10,000 clients that leave took 10,000 times that."""
        for room in (*self._entered.pop((namespace, sid), ()), sid, None):
            super().basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
                if not pending[namespace]:
                    del pending[namespace]


class Server(socketio.Server):  # type: ignore[misc]  # ships no types
    """python-socketio's server, which hands what it can to the application's hooks on the loop."""

    def __init__(self, concurrency: Concurrency, hooks: Hooks, output: Output, limits: dict[str, Any], **options: Any):
        self.concurrency, self._hooks, self._output = concurrency, hooks, output
        self.connect_seconds = limits["connect_seconds"]
        self.max_unsent, self.max_packets = limits["max_unsent"], limits["max_packets"]
        self.sessions: dict[str, Session] = {}  # by Engine.IO sid, until their last packet is handled
        self.connections: dict[str, Connection] = {}
        super().__init__(client_manager=Manager(), async_mode=concurrency.name, async_handlers=False, **options)
        self.ping_interval, self.ping_timeout = self.eio.ping_interval, self.eio.ping_timeout
        self.max_message = self.eio.max_http_buffer_size

    def _engineio_server_class(self) -> Any:
        return lambda **options: Engine(self, **options)

    # As session.Owner

    def take(self, session: Session, packet: Incoming | End) -> bool:
        """Handle on the loop what cannot block: events the application takes, and the rest where it has no handlers."""
        if isinstance(packet, Attachment):
            return False
        if isinstance(packet, End):
            blocks = self._may_block("disconnect")
        elif packet[:2] == b"42" and session.connection and self._hooks.on_event:
            return self._take_event(session, session.connection, packet)
        else:
            blocks = packet[:2] != b"40" or self._may_block("connect")
        if not blocks:
            self.handle(session, packet)
        return not blocks

    def _take_event(self, session: Session, connection: Connection, packet: bytes) -> bool:
        start = packet.find(b"[", 2)
        id = packet[2:start]
        if start < 0 or (id and not id.isdigit()) or len(id) > 16 or session.sid in self._binary_packet:
            return False
        try:
            return self._hooks.on_event(connection, id, packet[start:])  # type: ignore[misc]  # the caller has looked
        except Exception:
            log.exception("on_event failed")
            return True

    def handle(self, session: Session, packet: Incoming | End) -> None:
        """Python-socketio's own way; what a handler raises is logged, and the connection goes on."""
        try:
            if isinstance(packet, End):
                self.sessions.pop(session.sid, None)
                self._handle_eio_disconnect(session.sid, str(packet))
            elif isinstance(packet, Attachment):
                self._handle_eio_message(session.sid, bytes(packet))
            else:
                self._handle_eio_message(session.sid, packet[1:].decode())
        except BadPacket as error:
            log.info("a packet makes no sense, and its connection is closed", error=str(error))
            self.concurrency.call(session.fail)
        except Exception:
            self.eio.logger.exception("message handler error")

    def ended(self, session: Session) -> None:
        """Nothing can be sent to it any more."""
        self.eio.sockets.pop(session.sid, None)

    def open_websocket(self, upgrade: Upgrade, receiver: Receiver, first: bytes) -> WebSocket:
        """Finish a handshake."""
        return upgrade.accept(self._output, self.max_message, receiver, first)

    # Packets

    def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        packet = self._whole(eio_sid, data)
        if packet is None:
            return
        kind = packet.packet_type
        if kind == packets.CONNECT:
            self._handle_connect(eio_sid, packet.namespace, packet.data)
        elif kind == packets.DISCONNECT:
            self._handle_disconnect(eio_sid, packet.namespace, self.reason.CLIENT_DISCONNECT)
        elif kind in (packets.EVENT, packets.BINARY_EVENT):
            self._handle_event(eio_sid, packet.namespace, packet.id, packet.data)
        elif kind in (packets.ACK, packets.BINARY_ACK):
            self._handle_ack(eio_sid, packet.namespace, packet.id, packet.data)
        else:
            raise BadPacket(f"a client does not send packets of kind {kind}")

    def _whole(self, eio_sid: str, data: str | bytes) -> Any:
        """A packet with all its attachments, or None while some are due; raises BadPacket."""
        packet = self._binary_packet.get(eio_sid)
        if (packet is not None) != isinstance(data, bytes):
            raise BadPacket("a text packet while attachments are due" if packet else "an attachment nobody announced")
        try:
            if packet is None:
                packet = self.packet_class(encoded_packet=data)
                if not packet.attachment_count:
                    return _sensible(packet)
                if packet.attachment_count > MAX_ATTACHMENTS or not self._knows(eio_sid, packet.namespace):
                    raise BadPacket("attachments nobody may send")
                self._binary_packet[eio_sid] = packet
            elif packet.add_attachment(data):
                del self._binary_packet[eio_sid]
                return _sensible(packet)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            self._binary_packet.pop(eio_sid, None)
            raise BadPacket(f"{type(error).__name__} in decoding") from None
        return None

    def _knows(self, eio_sid: str, namespace: str | None) -> bool:
        return self.manager.sid_from_eio_sid(eio_sid, namespace or "/") is not None

    def _may_block(self, event: str) -> bool:
        """Whether the application has a handler of its own for connects or disconnects."""
        return bool(self.namespace_handlers) or any(event in handlers for handlers in self.handlers.values())

    # Connects and disconnects

    def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        name = namespace or "/"
        if self.namespaces != "*" and not any(
            name in known for known in (self.handlers, self.namespace_handlers, self.namespaces)
        ):
            error = self.packet_class(packets.CONNECT_ERROR, data={"message": "Invalid namespace"}, namespace=name)
            self._send_packet(eio_sid, error)
            return
        super()._handle_connect(eio_sid, name, data)
        if self._knows(eio_sid, name) and eio_sid in self.sessions:
            self.concurrency.call(self.sessions[eio_sid].is_connected)

    def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        if event == "disconnect" and namespace == "/":
            self.concurrency.call(self._depart, args[0])
        result = super()._trigger_event(event, namespace, *args)
        if event == "connect" and namespace == "/" and result is not False:
            sid, environ, auth = (*args, None)[:3]
            self.concurrency.call(self._admit, sid, environ, auth)
        return result

    def _admit(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        """The client is connected, unless on_connect raises ConnectionRefusedError."""
        session = self.sessions[self.manager.eio_sid_from_sid(sid, "/")]
        connection = Connection(sid, str(environ.get("REMOTE_ADDR", "")), session)
        session.connection = connection
        try:
            if self._hooks.on_connect:
                self._hooks.on_connect(connection, environ, auth)
        except Exception as error:
            session.connection = None
            if isinstance(error, ConnectionRefusedError):
                raise
            log.exception("on_connect failed")
            raise ConnectionRefusedError("something went wrong on our side") from None
        self.connections[sid] = connection

    def _depart(self, sid: str) -> None:
        connection = self.connections.pop(sid, None)
        if connection is None:
            return
        if isinstance(connection.sender, Session):
            connection.sender.connection = None
            connection.sender.expect_connect()
        try:
            if self._hooks.on_disconnect:
                self._hooks.on_disconnect(connection)
        except Exception:
            log.exception("on_disconnect failed")


def plug_into(flask_socketio: Any, server: Server) -> None:
    """Have Flask-SocketIO, which makes a server of its own, use this one; its handlers and its HTTP route with it."""
    for namespace, handlers in flask_socketio.server.handlers.items():
        server.handlers.setdefault(namespace, {}).update(handlers)
    flask_socketio.server = flask_socketio.sockio_mw.engineio_app = server


def _deliver(recipients: list[Session | None], outgoing: Outgoing) -> None:
    for session in recipients:
        if session:
            session.deliver(outgoing)


def _sensible(packet: Any) -> Any:
    """The packet, if it is an event with a name that a client may send or no event at all; raises BadPacket."""
    if packet.packet_type in DONE and not (
        isinstance(packet.data, list)
        and packet.data
        and isinstance(packet.data[0], str)
        and packet.data[0] not in Server.reserved_events
    ):
        raise BadPacket("an event without a name, or with a reserved one")
    return packet


def _kept(environ: dict[str, Any]) -> dict[str, Any]:
    """The part of a request that python-socketio may keep as long as the client is connected."""
    return {key: value for key, value in environ.items() if not key.startswith(HELD_BY_SERVERS)}
