"""Connections of a tab that a test lays hands on: one that can be cut, one that changes what the server says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import WebSocketRoute


class Cable:
    """What a tab's websockets go through, and can be cut."""

    def __init__(self) -> None:
        self.whole = True
        self._plugged: list[WebSocketRoute] = []

    def plug(self, socket: WebSocketRoute) -> None:
        """A tab connects."""
        if self.whole:
            self._plugged.append(socket)
            socket.connect_to_server()
        else:
            socket.close()

    def cut(self) -> None:
        """Cut what goes through now, and whatever comes until it is whole again."""
        self.whole = False
        for socket in self._plugged:
            socket.close()


def changing(change: Callable[[dict[str, Any]], None]) -> Callable[[WebSocketRoute], None]:
    """For `route_web_socket`: everything the server says in a packet goes through `change`, object by object."""

    def plug(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(packet: str | bytes) -> None:
            socket.send(_changed(packet, change) if isinstance(packet, str) else packet)

        server.on_message(pass_on)

    return plug


def _changed(packet: str, change: Callable[[dict[str, Any]], None]) -> str:
    start = packet.find("[")
    if packet[:2] not in ("42", "43") or start < 0:
        return packet

    def visit(value: dict[str, Any]) -> dict[str, Any]:
        change(value)
        return value

    return packet[:start] + json.dumps(json.loads(packet[start:], object_hook=visit))
