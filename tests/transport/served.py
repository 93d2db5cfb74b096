"""A small application on the transport, served for tests: python -m tests.transport.served MODE OPTIONS"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

from app.concurrency import patch

concurrency = patch(sys.argv[1])

from flask import Flask, jsonify  # noqa: E402  # after patch
from flask_socketio import SocketIO, emit  # noqa: E402
from socketio.exceptions import ConnectionRefusedError  # noqa: E402

from app import logs  # noqa: E402
from app.transport.connection import Connection  # noqa: E402
from app.transport.transport import Transport  # noqa: E402

NAMES = [b"echo", b"shout", b"open", b"hangup", b"flood", b"fail"]
happened: list[list[Any]] = []
gate = threading.Event()


class Application:
    """Hot events on the loop, and what they do."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        transport.on_event = self.event
        transport.on_connect = self.connect
        transport.on_disconnect = self.disconnect

    def event(self, connection: Connection, id: bytes, body: bytes) -> bool:
        """Take the events in NAMES, whose arguments are sent back."""
        name = body[2 : body.find(b'"', 2)]
        if name not in NAMES:
            return False
        rest = body[len(name) + 4 : -1] or b"null"
        happened.append(["event", name.decode(), json.loads(rest)])
        if name == b"fail":
            raise ValueError("on purpose")
        if name == b"open":
            gate.set()
        if name == b"hangup":
            connection.close()
        if name == b"shout":
            self.transport.broadcast(self.transport.connections.values(), body)
        if name == b"flood":
            for _ in range(json.loads(rest)):
                connection.emit(b'["flood","%s"]' % (b"x" * 10_000))
        if id:
            connection.ack(id, rest)
        return True

    def connect(self, connection: Connection, environ: dict[str, Any], auth: Any) -> None:
        """Let everybody in but one."""
        if auth == {"name": "Mallory"}:
            raise ConnectionRefusedError("not you", {"code": "mallory"})
        connection.who = auth
        happened.append(["connect", connection.sid, auth])

    def disconnect(self, connection: Connection) -> None:
        """Note it."""
        happened.append(["disconnect", connection.sid, connection.closed])


def main() -> None:
    """Serve until told to stop."""
    logs.set_up("text", "info")
    options = json.loads(sys.argv[2])
    transport = Transport(concurrency, **options)
    flask = Flask("served")
    sockets = SocketIO(flask, async_mode=concurrency.name)
    transport.plug_into(sockets)
    Application(transport)
    server = transport.server

    @flask.get("/happened")
    def show() -> Any:
        return jsonify(happened)

    @server.on("stuck")  # type: ignore[untyped-decorator]  # python-socketio ships no types
    def stuck(sid: str, *data: Any) -> Any:
        happened.append(["stuck", *data])
        gate.wait(30)
        gate.clear()
        return ["free", *data]

    @server.on("stock")  # type: ignore[untyped-decorator]
    def stock(sid: str, *data: Any) -> Any:
        happened.append(["stock", *(each if not isinstance(each, bytes) else each.hex() for each in data)])
        return data or None

    @server.on("enter")  # type: ignore[untyped-decorator]
    def enter(sid: str, room: str) -> None:
        server.enter_room(sid, room)

    @server.on("tell")  # type: ignore[untyped-decorator]
    def tell(sid: str, room: str, data: Any, skip: bool = False) -> None:
        server.emit("told", data, to=room, skip_sid=sid if skip else None)

    @server.on("ask")  # type: ignore[untyped-decorator]
    def ask(sid: str) -> None:
        server.emit("question", {"n": 1}, to=sid, callback=lambda *answer: happened.append(["answered", *answer]))

    @server.on("kick")  # type: ignore[untyped-decorator]
    def kick(sid: str) -> None:
        server.disconnect(sid)

    @server.on("echo", namespace="/other")  # type: ignore[untyped-decorator]
    def other(sid: str, *data: Any) -> Any:
        return data

    @sockets.on("flask")  # type: ignore[untyped-decorator]
    def with_flask(data: Any) -> Any:
        emit("flasked", data)
        return {"got": data}

    concurrency.serve(
        flask, transport.listener, "127.0.0.1", 0, 100, lambda port: print(f"port {port}", flush=True), transport.drain
    )


main()
