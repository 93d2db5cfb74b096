"""A connection that can be cut while the browser stays open."""

from __future__ import annotations

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
