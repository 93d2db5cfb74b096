"""Clients for tests: a guest who remembers what was seen, and a bare connection that sends what no client would."""

from __future__ import annotations

import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import engineio
import requests
import socketio
import websocket
from joserfc import jwt
from joserfc.jwk import OctKey

from tests import shapes

WAIT = 60.0  # seconds until something that must happen counts as missing; a bound, never a measurement

SECRETS: dict[str, str] = {}
"""What signs the tokens of systems under AUTH=token, by their address: a guest there brings one instead of a name."""

logging.getLogger("engineio.client").disabled = True  # it complains of each connection that a test cuts

Seen = tuple[str, dict[str, Any]]


class InOrder(engineio.Client):  # type: ignore[misc]  # ships no types
    """Handles packets one after the other, where the original starts a thread for each: under load they overtake."""

    def _trigger_event(self, event: str, *args: Any, **options: Any) -> Any:
        return super()._trigger_event(event, *args, **(options | {"run_async": False}))


class Client(socketio.Client):  # type: ignore[misc]  # as above
    """A stock client that sees events in the order in which they came."""

    def _engineio_client_class(self) -> type[InOrder]:
        return InOrder


def introduced(url: str, name: str, id: str | None = None, **more: Any) -> dict[str, Any]:
    """What somebody of this name brings to a system: the name, or a token that says it and lets them into every room."""
    if "token" in more:
        return more
    if url in SECRETS:
        return {"token": signed(SECRETS[url], sub=id or name, name=name, rooms=["*"]), **more}
    return {"name": name, **({"id": id} if id is not None else {}), **more}


def signed(secret: str, seconds: float = 3600, algorithm: str = "HS256", **claims: Any) -> str:
    """A token with these claims, good for so long; a claim that is None is left out."""
    content = {"exp": int(time.time() + seconds), **claims}
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode({"alg": algorithm}, content, OctKey.import_key(secret), algorithms=[algorithm])


class Guest:
    """One real Socket.IO connection; everything the server sends is kept, and must have the contract's shape."""

    def __init__(self, url: str, name: str = "Ann", transports: tuple[str, ...] = ("websocket",), **auth: Any) -> None:
        self.name = name
        self.seen: list[Seen] = []
        http = requests.Session()
        http.trust_env = False  # its threads would read the environment while pytest notes there which test runs
        self._client = Client(reconnection=False, handle_sigint=False, http_session=http)
        self._client.on("*", self._note)
        brings = introduced(url, name, **auth)
        self._client.connect(url, auth=brings, transports=list(transports), wait_timeout=WAIT)

    def call(self, event: str, data: Any) -> dict[str, Any]:
        """The ack of an event, in the contract's shape."""
        ack = self._client.call(event, data, timeout=WAIT)
        shapes.check_ack(event, ack)
        return dict(ack)

    def ok(self, event: str, data: Any) -> dict[str, Any]:
        """The ack of an event that must be accepted."""
        ack = self.call(event, data)
        assert ack["ok"], ack
        return ack

    def refused(self, event: str, data: Any) -> dict[str, Any]:
        """The error of an event that must be refused."""
        ack = self.call(event, data)
        assert not ack["ok"], ack
        return dict(ack["error"])

    def emit(self, event: str, data: Any, callback: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Send an event without waiting."""
        self._client.emit(event, data, callback=callback)

    def join(self, room: str, **more: Any) -> dict[str, Any]:
        """Join a room."""
        return self.ok("room:join", {"room": room, **more})

    def say(self, room: str, text: str, key: str | None = None, **more: Any) -> dict[str, Any]:
        """Write a message; returns it as acknowledged."""
        ack = self.ok("message:send", {"room": room, "key": key or secrets.token_hex(8), "text": text, **more})
        return dict(ack["message"])

    def ask(self, room: str, task: str, key: str | None = None, **args: Any) -> dict[str, Any]:
        """Ask for a job; returns it as acknowledged."""
        ack = self.ok("job:create", {"room": room, "key": key or secrets.token_hex(8), "task": task, "args": args})
        return dict(ack["job"])

    def wait(self, enough: Callable[[list[Seen]], Any]) -> Any:
        """What `enough` makes of everything seen, as soon as that is true."""
        until = time.monotonic() + WAIT
        while not (done := enough(self.seen)):
            assert time.monotonic() < until, f"{self.name} waited in vain; saw {self.seen[-20:]}"
            time.sleep(0.01)
        return done

    def saw(self, event: str, **values: Any) -> dict[str, Any]:
        """The first such event with these values; waits for it."""
        found: list[dict[str, Any]] = self.wait(lambda seen: _matching(seen, event, values))
        return found[0]

    def all(self, event: str, **values: Any) -> list[dict[str, Any]]:
        """Every such event with these values seen so far."""
        return _matching(self.seen, event, values)

    def final(self, job: str) -> dict[str, Any]:
        """The job's last state; waits for it."""
        found: list[dict[str, Any]] = self.wait(
            lambda seen: [each for each in _matching(seen, "job:update", {"id": job}) if each["state"] in shapes.FINAL]
        )
        return found[0]

    def found(self, seq: int, *tasks: str) -> dict[str, dict[str, Any]]:
        """The last states of these tasks' jobs on a message; waits for them."""

        def ended(seen: list[Seen]) -> dict[str, dict[str, Any]] | None:
            jobs = _matching(seen, "job:update", {"message": seq})
            done = {job["task"]: job for job in jobs if job["state"] in shapes.FINAL}
            return done if set(tasks) <= set(done) else None

        return dict(self.wait(ended))

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return bool(self._client.connected)

    def close(self, wait: bool = True) -> None:
        """Leave; fails when anything seen was out of shape. Closing the socket may take seconds nobody needs to wait."""
        if wait:
            self._client.disconnect()
        else:
            threading.Thread(target=self._client.disconnect, daemon=True).start()
        for event, data in self.seen:
            shapes.check_event(event, data)

    def _note(self, event: str, data: Any) -> None:
        self.seen.append((event, data))


class Raw:
    """A websocket that speaks just enough Engine.IO and Socket.IO to be let in, and then sends anything."""

    def __init__(self, url: str, auth: Any = None, buffer: int | None = None) -> None:
        self._socket = websocket.create_connection(
            f"{url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket",
            timeout=WAIT,
            sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)] if buffer else [],  # of what it has not read yet
        )
        self._socket.recv()
        self.send(f"40{json.dumps(introduced(url, 'Raw') if auth is None else auth)}")
        self.answer = str(self.receive())
        """`40{...}` when let in, `44{...}` when not."""

    def send(self, packet: str) -> None:
        """One text frame."""
        self._socket.send(packet)

    def send_bytes(self, data: bytes, opcode: int = websocket.ABNF.OPCODE_BINARY) -> None:
        """One binary frame, or these bytes as another kind of frame."""
        self._socket.send(data, opcode)

    def receive(self) -> str | None:
        """The next packet that is no ping; None when the server has closed the connection."""
        try:
            while (packet := self._socket.recv()) == "2":
                self.send("3")
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return None
        return str(packet) or None

    def ask(self, content: str, kind: str = "42", then: tuple[bytes, ...] = ()) -> dict[str, Any]:
        """The ack of an event given as JSON text; `then` are the binary frames that follow."""
        head, dash, attachments = kind.partition("+")
        self.send(f"{head}{attachments}{'-' if dash else ''}7{content}")
        for data in then:
            self.send_bytes(data)
        while (packet := self.receive()) is not None:
            if packet.startswith("437["):
                return dict(json.loads(packet[3:])[0])
        raise AssertionError("the connection was closed instead of an ack")

    def closed(self) -> bool:
        """Whether the server ends this connection; waits for it."""
        while self.receive() is not None:
            pass
        return True

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _matching(seen: list[Seen], event: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        data for name, data in seen if name == event and all(data.get(key) == value for key, value in values.items())
    ]
