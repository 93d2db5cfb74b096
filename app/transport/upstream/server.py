"""python-socketio's server, whose events go to the application on the loop first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import socketio
import structlog
from socketio import packet as packets
from socketio.exceptions import ConnectionRefusedError

from app.concurrency import Concurrency
from app.transport.connection import Connection
from app.transport.handshake import Upgrade
from app.transport.packets import Attachment, End, Incoming
from app.transport.session import Limits, Session
from app.transport.upstream.engine import Engine
from app.transport.upstream.everywhere import Everywhere
from app.transport.websocket import Output, Receiver, WebSocket

log = structlog.get_logger()

MAX_ATTACHMENTS = 64  # of one packet; they are held until the last has come
EVENTS = (packets.EVENT, packets.BINARY_EVENT)


class BadPacket(Exception):
    """A client sent what is no Socket.IO packet; the protocol wants the connection closed."""


class Hooks:
    """What the application may set to handle events on the loop; see Transport."""

    on_event: Callable[[Connection, bytes, bytes], bool] | None = None
    before_connect: Callable[[Any], None] | None = None
    on_connect: Callable[[Connection, dict[str, Any], Any], None] | None = None
    on_disconnect: Callable[[Connection], None] | None = None


class Server(socketio.Server):  # type: ignore[misc]  # ships no types
    """python-socketio's server, which hands what it can to the application's hooks on the loop."""

    def __init__(self, concurrency: Concurrency, hooks: Hooks, output: Output, limits: Limits, **options: Any):
        self.concurrency, self._hooks, self._output, self.limits = concurrency, hooks, output, limits
        self.sessions: dict[str, Session] = {}  # by Engine.IO sid, until their last packet is handled
        self.connections: dict[str, Connection] = {}
        super().__init__(client_manager=Everywhere(), async_mode=concurrency.name, async_handlers=False, **options)
        self.ping_interval, self.ping_timeout = self.eio.ping_interval, self.eio.ping_timeout
        self.max_message = self.eio.max_http_buffer_size

    def _engineio_server_class(self) -> Any:
        return lambda **options: Engine(self, **options)

    # As session.Owner

    def take(self, session: Session, packet: Incoming) -> bool:
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

    def handle(self, session: Session, packet: Incoming) -> None:
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
        elif kind in EVENTS:
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
        """Whether the application has a handler of its own for connects or disconnects that may block."""
        if event == "connect" and self._hooks.before_connect:
            return True
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
            self.concurrency.call(self.sessions[eio_sid].has_connected)

    def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        if event == "disconnect" and namespace == "/":
            self.concurrency.call(self._depart, args[0])
        result = super()._trigger_event(event, namespace, *args)
        if event == "connect" and namespace == "/" and result is not False:
            sid, environ, auth = (*args, None)[:3]
            if self._hooks.before_connect:
                self._hooks.before_connect(auth)
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
            session = connection.sender
            session.connection = None
            if not any(self._knows(session.sid, name) for name in self.manager.get_namespaces() if name != "/"):
                session.expect_connect()
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


def _sensible(packet: Any) -> Any:
    """The packet, if it is an event with a name that a client may send or no event at all; raises BadPacket."""
    if packet.packet_type in EVENTS and not (
        isinstance(packet.data, list)
        and packet.data
        and isinstance(packet.data[0], str)
        and packet.data[0] not in Server.reserved_events
    ):
        raise BadPacket("an event without a name, or with a reserved one")
    return packet
