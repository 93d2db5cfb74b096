"""A websocket client that sends exactly the bytes it is told to, and the application of served.py as a process."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from app.compare.system import ROOT
from tests.guest import WAIT

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
Frame = tuple[int, bytes]


class Served:
    """`tests.transport.served` on a free port."""

    def __init__(self, mode: str, log: Path, **options: Any) -> None:
        self.mode, self.log, self._options = mode, log, options

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.transport.served", self.mode, json.dumps(self._options)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("port "), self.log.read_text()
        self.port = int(line.split()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            assert self.process.wait(WAIT) == 0
        finally:
            self.process.kill()
            assert self.process.stdout
            self.process.stdout.close()

    def happened(self) -> list[list[Any]]:
        """What the application noted."""
        found: list[list[Any]] = requests.get(f"{self.url}/happened", timeout=WAIT).json()
        return found

    def wait(self, enough: Callable[[list[list[Any]]], Any]) -> Any:
        """What `enough` makes of everything noted, as soon as that is true."""
        until = time.monotonic() + WAIT
        while not (found := enough(self.happened())):
            assert time.monotonic() < until, self.happened()[-20:]
            time.sleep(0.02)
        return found

    def peer(self, query: str = "EIO=4&transport=websocket") -> Peer:
        """A websocket after its handshake."""
        return Peer(self.port, query)

    def client(self, auth: Any = None) -> Peer:
        """A Socket.IO client on a websocket, connected to "/"."""
        peer = self.peer()
        assert peer.text().startswith("0{")
        peer.send(TEXT, "40" + ("" if auth is None else json.dumps(auth)))
        answer = peer.text()
        assert answer.startswith("40{"), answer
        peer.sid = json.loads(answer[2:])["sid"]
        return peer

    def poll(self, method: str = "GET", data: Any = None, **query: Any) -> requests.Response:
        """One request of a client that polls."""
        params = {"EIO": "4", "transport": "polling", **query}
        params = {key: value for key, value in params.items() if value is not None}
        return requests.request(method, f"{self.url}/socket.io/", params=params, data=data, timeout=WAIT)

    def polling_client(self) -> str:
        """The Engine.IO sid of a client that polls and is connected to "/"."""
        sid: str = json.loads(self.poll().text[1:])["sid"]
        assert self.poll("POST", "40", sid=sid).text == "ok"
        assert self.poll(sid=sid).text.startswith("40{")
        return sid


class Peer:
    """One connection."""

    def __init__(self, port: int, query: str = "", head: str | None = None) -> None:
        self.sid = ""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        self._file = self.socket.makefile("rb")
        if head is None:
            self.raw(upgrade(query))
            status, _ = self.response()
            assert status == 101, status

    def raw(self, data: bytes | str) -> None:
        """Send bytes."""
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def response(self) -> tuple[int, dict[str, str]]:
        """Status and headers of an HTTP response; its body, if it has a length, is read."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        self._file.read(int(headers.get("content-length", "0")))
        return status, headers

    def send(self, opcode: int, payload: bytes | str = b"", **how: Any) -> None:
        """Send one frame."""
        self.raw(frame(opcode, payload, **how))

    def receive(self) -> Frame | None:
        """The next frame that is no Engine.IO ping; None when the server has closed the connection."""
        while True:
            head = self._file.read(2)
            if len(head) < 2:
                return None
            size = head[1]
            if size > 125:
                size = int.from_bytes(self._file.read(2 if size == 126 else 8), "big")
            payload = self._file.read(size)
            if (head[0] & 15, payload) != (TEXT, b"2"):
                return head[0] & 15, payload

    def text(self) -> str:
        """The next frame, which must be text."""
        got = self.receive()
        assert got is not None
        assert got[0] == TEXT, got
        return got[1].decode()

    def until_text(self, begin: str) -> str:
        """The next text that begins like this."""
        while not (got := self.text()).startswith(begin):
            pass
        return got

    def close_code(self) -> int | None:
        """How the server closes this connection: its code, or None without a Close frame; answers and waits for the end."""
        code = None
        while (got := self.receive()) is not None:
            if got[0] == CLOSE:
                code = int.from_bytes(got[1][:2], "big") or 1005
                self.send(CLOSE, got[1])
        self.close()
        return code

    def close(self) -> None:
        """Hang up without a word."""
        self._file.close()
        self.socket.close()


def upgrade(query: str, *, version: str | None = "13", key: str | None = None, more: str = "") -> bytes:
    """An upgrade request."""
    key = base64.b64encode(os.urandom(16)).decode() if key is None else key
    lines = [
        f"GET /socket.io/?{query} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        f"Sec-WebSocket-Key: {key}",
        *([f"Sec-WebSocket-Version: {version}"] if version else []),
    ]
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode()


def frame(
    opcode: int, payload: bytes | str = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True, size: int = -1
) -> bytes:
    """One frame as a client sends it, or wrong in one way; `size` in another width than the shortest: 2 or 8 bytes."""
    payload = payload.encode() if isinstance(payload, str) else payload
    first = (0x80 if fin else 0) | reserved | opcode
    length = len(payload)
    width = size if size >= 0 else 0 if length < 126 else 2 if length < 65536 else 8
    short = length if width == 0 else 126 if width == 2 else 127
    head = bytes((first, (0x80 if masked else 0) | short)) + (length.to_bytes(width, "big") if width else b"")
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
