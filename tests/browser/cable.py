"""Connections of a tab that a test lays hands on: one that can be cut, one that changes what the server says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
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


class Interpreter:
    """Stands between a tab and the server: changes what the server says, answers in its place, and speaks for it."""

    def __init__(
        self,
        change: Callable[[dict[str, Any]], None] = lambda value: None,
        answers: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] | None = None,
    ) -> None:
        """`change` gets every object that the server says; `answers` are by event what it would have acknowledged."""
        self._change, self._answers = change, answers or {}
        self.asked: list[tuple[str, dict[str, Any]]] = []  # what was answered here

    def plug(self, socket: WebSocketRoute) -> None:
        """A tab connects; for `route_web_socket`."""
        self._socket, server = socket, socket.connect_to_server()
        server.on_message(lambda packet: socket.send(_changed(packet, self._change)))

        def pass_on(packet: str | bytes) -> None:
            if not self._answer(packet):
                server.send(packet)

        socket.on_message(pass_on)

    def say(self, event: str, data: dict[str, Any]) -> None:
        """Tell the tab something in the server's name."""
        self._socket.send(f"42{json.dumps([event, data])}")

    def _answer(self, packet: str | bytes) -> bool:
        asked = re.match(r"42(\d+)(\[.*)", packet, re.DOTALL) if isinstance(packet, str) else None
        name, data = json.loads(asked[2]) if asked else ("", {})
        if name not in self._answers or asked is None:
            return False
        self.asked.append((name, data))
        self._socket.send(f"43{asked[1]}{json.dumps([self._answers[name](data)])}")
        return True


def changing(change: Callable[[dict[str, Any]], None]) -> Callable[[WebSocketRoute], None]:
    """For `route_web_socket`: everything the server says in a packet goes through `change`, object by object."""
    return Interpreter(change).plug


def _changed(packet: str | bytes, change: Callable[[dict[str, Any]], None]) -> str | bytes:
    if not isinstance(packet, str):
        return packet
    start = packet.find("[")
    if packet[:2] not in ("42", "43") or start < 0:
        return packet

    def visit(value: dict[str, Any]) -> dict[str, Any]:
        change(value)
        return value

    return packet[:start] + json.dumps(json.loads(packet[start:], object_hook=visit))
