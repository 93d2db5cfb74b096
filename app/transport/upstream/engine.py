"""python-engineio's server over our sessions: what comes by HTTP, and upgrade requests."""

from __future__ import annotations

import base64
import os
import urllib.parse
from collections import deque
from typing import Any, Protocol

import engineio
import msgspec
from engineio.exceptions import ContentTooLongError, EngineIOError

from app.transport.frames import POLICY
from app.transport.handshake import UPGRADE, Upgrade
from app.transport.packets import Encoded, PollingError
from app.transport.probe import Stray
from app.transport.session import Owner as SessionOwner
from app.transport.session import Session

ID_BYTES = 15  # 20 characters in base64, as python-engineio's
IDS_AT_ONCE = 256
HELD_BY_SERVERS = ("wsgi.input", "wsgi.errors", "eventlet.", "werkzeug.", "spillway.", "headers_raw")


class Owner(SessionOwner, Protocol):
    """Whose server it is."""

    sessions: dict[str, Session]


class Engine(engineio.Server):  # type: ignore[misc]  # ships no types
    """python-engineio's server over our sessions."""

    def __init__(self, owner: Owner, **options: Any) -> None:
        super().__init__(**options, monitor_clients=False)  # each session has a timer of its own
        self._owner = owner
        self._random: deque[bytes] = deque()  # for ids; a deque, as handlers in threads take some, too

    def generate_id(self) -> str:
        """An id nobody can guess; random bytes come many at a time, as asking for some costs more than all the rest."""
        try:
            taken = self._random.popleft()
        except IndexError:
            bytes_of_ids = os.urandom(ID_BYTES * IDS_AT_ONCE)
            self._random.extend(bytes_of_ids[at : at + ID_BYTES] for at in range(0, len(bytes_of_ids), ID_BYTES))
            return self.generate_id()
        return base64.urlsafe_b64encode(taken).decode()

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
        if "sid=" not in query:
            return False
        one = self.sockets.get(urllib.parse.parse_qs(query).get("sid", [""])[0])
        if one is None or not (one.upgraded or one.probe):
            return False
        self._owner.open_websocket(upgrade, Stray(), b"").close(POLICY)
        return True

    def disconnect(self, sid: str | None = None) -> None:
        """Hang up on one client or all; never waits."""
        for one in [self.sockets.get(sid)] if sid is not None else list(self.sockets.values()):
            if one:
                one.close()

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
        if len(self.sockets) >= self._owner.limits.max_sessions:
            return {**self._bad_request("Too many clients"), "status": "503 SERVICE UNAVAILABLE"}
        sid = self.generate_id()
        session = Bridged(self._owner, sid, str(environ.get("REMOTE_ADDR", "")))
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
        return "0" + msgspec.json.encode(values).decode()


class Bridged(Session):
    """A session with the two methods through which python-engineio hands it requests."""

    __slots__ = ()

    def handle_get_request(self, environ: dict[str, Any], start_response: Any) -> Any:
        """The packets that wait for the client; raises EngineIOError when the session is to be closed."""
        upgrade = environ.get(UPGRADE)
        if upgrade is not None:
            self.try_websocket(upgrade)
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
        try:
            body = environ["wsgi.input"].read(int(length))
        except OSError:  # its time was over
            body = b""
        if len(body) < int(length):
            raise EngineIOError("a body is cut short")
        try:
            self.post(body)
        except PollingError as error:
            raise EngineIOError(str(error)) from None


def _kept(environ: dict[str, Any]) -> dict[str, Any]:
    """The part of a request that python-socketio may keep as long as the client is connected."""
    return {key: value for key, value in environ.items() if not key.startswith(HELD_BY_SERVERS)}
