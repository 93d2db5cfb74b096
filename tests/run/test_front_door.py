"""What is looked at before a request is served: whose host and page it is for, how large it is, how slowly it comes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest
import requests
import websocket

from tests.guest import WAIT, Guest, Raw
from tests.web import Web

POLL = "/socket.io/?EIO=4&transport=polling"
ADDED = "https://chat.example.org"
STRANGER = "https://stranger.example.org"


@pytest.fixture(scope="module", params=["eventlet", pytest.param("threading", marks=pytest.mark.slow)])
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process where few connections may say nothing, and pages of one other origin may connect."""
    folder = tmp_path_factory.mktemp("web")
    settings = {"ASYNC_MODE": request.param, "CORS_ORIGINS": ADDED, "PENDING_PER_ADDRESS": "8"}
    with Web(folder, MAX_CLIENTS="40", MAX_UPLOAD_BYTES="100000", **settings) as running:
        yield running


def connect(web: Web, first: bytes = b"") -> socket.socket:
    """A bare connection that has sent this."""
    host, port = web.url.removeprefix("http://").split(":")
    sock = socket.create_connection((host, int(port)), WAIT)
    sock.sendall(first)
    return sock


def upgrade(web: Web, **headers: str) -> int:
    """The status of a websocket handshake with these headers."""
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    key = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key += "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\n"
    with connect(web, f"GET {POLL.replace('polling', 'websocket')} HTTP/1.1\r\n{fields}{key}\r\n".encode()) as sock:
        return int(sock.recv(64).split()[1])


@pytest.mark.parametrize("path", ["/", "/api/flags", "/static/words.js", POLL, "/livez"])
def test_a_name_that_is_not_ours_is_refused_on_every_route(web: Web, path: str) -> None:
    answer = requests.get(web.url + path, headers={"Host": "rebound.example.org"}, timeout=WAIT)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"


def test_a_websocket_to_a_name_that_is_not_ours_is_refused(web: Web) -> None:
    own = web.url.removeprefix("http://")
    assert upgrade(web, Host=own) == 101
    assert upgrade(web, Host="rebound.example.org") == 403
    assert upgrade(web, Host="[") == 403


def test_origins_that_are_named_are_added_to_our_own(web: Web) -> None:
    own = web.url.removeprefix("http://")
    polling = {origin: requests.get(web.url + POLL, headers={"Origin": origin}, timeout=WAIT).status_code
               for origin in (web.url, ADDED, STRANGER)}  # fmt: skip
    assert polling == {web.url: 200, ADDED: 200, STRANGER: 400}
    sockets = {origin: upgrade(web, Host=own, Origin=origin) for origin in (web.url, ADDED, STRANGER)}
    assert sockets == {web.url: 101, ADDED: 101, STRANGER: 400}


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/"), ("PUT", "/uploads/x"), ("POST", "/api/uploads"), ("PUT", "/api/flags/triage"), ("POST", POLL)],
)
def test_a_body_past_its_bound_is_refused_before_it_is_read(web: Web, method: str, path: str) -> None:
    before = psutil.Process(web.process.pid).memory_info().rss
    head = f"{method} {path} HTTP/1.1\r\nHost: {web.url.removeprefix('http://')}\r\nContent-Length: 200000000\r\n\r\n"
    with connect(web, head.encode()) as sock:
        assert sock.recv(4096).split()[1] == (b"400" if path == POLL else b"413")  # as Engine.IO has it
        try:
            for _ in range(200):
                sock.sendall(b"x" * 1_000_000)
        except OSError:  # it does not take them for ever
            pass
    assert psutil.Process(web.process.pid).memory_info().rss < before + 50_000_000


def test_a_body_that_does_not_say_its_length_is_refused(web: Web) -> None:
    answer = requests.put(f"{web.url}/api/flags/triage", data=iter([b"{}"]), timeout=WAIT)
    assert answer.status_code == 400
    assert "Content-Length" in answer.json()["error"]["message"]


LARGE = {
    "one long field": f"X: {'x' * 20_000}\r\n",
    "many fields": "".join(f"X-{number}: y\r\n" for number in range(200)),
    "much in all": "".join(f"X-{number}: {'y' * 4000}\r\n" for number in range(5)),
}


@pytest.mark.parametrize("target", ["/livez", POLL.replace("polling", "websocket")])
@pytest.mark.parametrize("what", LARGE)
@pytest.mark.parametrize("first", [True, False])
def test_a_request_head_past_its_bound_is_refused_and_its_connection_closed(
    web: Web, what: str, target: str, first: bool
) -> None:
    host = f"Host: {web.url.removeprefix('http://')}\r\n"
    with connect(web) as sock:
        if not first:
            sock.sendall(f"GET /livez HTTP/1.1\r\n{host}\r\n".encode())
            answered = sock.recv(4096)
            assert answered.startswith(b"HTTP/1.1 200")
            if b"connection: close" in answered.lower():
                return  # under ASYNC_MODE=threading there is no second request on a connection
        fields = "Upgrade: websocket\r\nConnection: Upgrade\r\n" if "websocket" in target else ""
        try:
            sock.sendall(f"GET {target} HTTP/1.1\r\n{host}{fields}{LARGE[what]}\r\n".encode())
        except OSError:  # it is refused before all of it was sent
            pass
        answer = b""
        try:
            while chunk := sock.recv(4096):
                answer += chunk
        except ConnectionResetError:  # closed with bytes that nobody read
            pass
        assert answer.split()[1] in (b"431", b"400"), answer[:200]


def status_of(answers: BinaryIO) -> int:
    """The status of the next answer on a connection; all of it is read."""
    status, length = int(answers.readline().split()[1]), 0
    while line := answers.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    answers.read(length)
    return status


def test_a_body_that_is_not_wanted_does_not_count_as_the_next_head(web: Web) -> None:
    host = f"Host: {web.url.removeprefix('http://')}\r\n"
    body = b"x" * 60_000
    head = f"PUT /nowhere HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with connect(web, head.encode() + body) as sock, sock.makefile("rb") as answers:
        assert status_of(answers) == 404
        if web._environment["ASYNC_MODE"] == "threading":
            return  # there is no second request on a connection
        sock.sendall(head.encode() + body)
        assert status_of(answers) == 404
        sock.sendall(f"GET /livez HTTP/1.1\r\n{host}\r\n".encode())
        assert status_of(answers) == 200


def test_a_request_head_below_its_bound_is_served(web: Web) -> None:
    fields = {f"X-{number}": "y" * 1000 for number in range(14)}
    assert requests.get(f"{web.url}/livez", headers=fields, timeout=WAIT).status_code == 200
    assert requests.get(f"{web.url}/livez", headers={f"X-{n}": "" for n in range(90)}, timeout=WAIT).status_code == 200


def still_open(sock: socket.socket) -> bool:
    """Whether nobody has closed it, a moment later at the latest."""
    sock.settimeout(0.05)
    try:
        return sock.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


HALF = {
    "a head": "GET / HTTP/1.1\r\nHost: x",
    "a body": "PUT /api/flags/triage HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    "nothing": "",
}


@pytest.mark.parametrize("what", ["a head", "a body", pytest.param("nothing", marks=pytest.mark.slow)])
def test_those_who_send_half_of_something_make_room_for_others(web: Web, what: str) -> None:
    begun = HALF[what].replace("HOST", web.url.removeprefix("http://")).encode()
    slow = [connect(web, begun) for _ in range(8)]
    until = time.monotonic() + WAIT
    while all(map(still_open, slow)):  # each has its moment; after it the oldest goes first
        assert requests.get(f"{web.url}/livez", timeout=WAIT).status_code == 200
        slow.append(connect(web, begun))
        assert time.monotonic() < until, "none was closed"
    assert not still_open(slow[0])
    assert still_open(slow[-1])
    for each in slow:
        each.close()


@pytest.mark.slow
def test_those_who_open_a_session_and_do_not_connect_make_room_for_others(web: Web) -> None:
    url = web.url.replace("http", "ws", 1) + POLL.replace("polling", "websocket")
    slow = [websocket.create_connection(url, timeout=WAIT) for _ in range(9)]
    assert str(slow[0].recv()).startswith("0{")
    assert slow[0].recv() == "1"  # once it has had its time
    assert "made room for others" in web.log.read_text()
    ann = Guest(web.url, "Ann")
    ann.join("lobby")
    ann.close()
    for each in slow:
        each.close()


def test_sessions_that_have_not_connected_count_as_clients(tmp_path: Path) -> None:
    with Web(tmp_path, MAX_CLIENTS="2") as web:
        silent = [requests.get(web.url + POLL, timeout=WAIT).text for _ in range(2)]
        assert all(json.loads(each[1:])["sid"] for each in silent)
        late = Raw(web.url)
        assert '"busy"' in late.answer
        late.close()


def test_past_all_bounds_a_session_is_refused_at_once(tmp_path: Path) -> None:
    with Web(tmp_path, MAX_CLIENTS="1", PENDING_PER_ADDRESS="10000") as web:
        answers = [requests.get(web.url + POLL, timeout=WAIT).status_code for _ in range(258)]
    assert answers == [200] * 257 + [503]
