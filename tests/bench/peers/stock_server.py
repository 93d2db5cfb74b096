"""Flask-SocketIO on eventlet as its documentation starts it: the same echo as node_server.js. Usage: stock_server.py PORT"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402 - patched first
from typing import Any  # noqa: E402

from flask import Flask  # noqa: E402
from flask_socketio import SocketIO, emit, join_room  # noqa: E402

app = Flask(__name__)
sockets = SocketIO(app, async_mode="eventlet")


@sockets.on("join")  # type: ignore[untyped-decorator]  # Flask-SocketIO ships no types
def join(data: dict[str, Any]) -> dict[str, bool]:
    """Join a room."""
    join_room(data["room"])
    return {"ok": True}


@sockets.on("message")  # type: ignore[untyped-decorator]
def message(data: dict[str, Any]) -> dict[str, bool]:
    """Show a message to its room."""
    emit("message", data, to=data["room"])
    return {"ok": True}


if __name__ == "__main__":
    sockets.run(app, host="127.0.0.1", port=int(sys.argv[1]))
