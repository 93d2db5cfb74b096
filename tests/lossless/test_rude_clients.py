"""Clients that do not read, send too much, or die half-way: each is bounded, nobody else notices, nothing leaks."""

from __future__ import annotations

import json
import re
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.compare.system import ROOT
from app.payload import MAX_TEXT
from tests.guest import Guest, Raw
from tests.lossless.evidence import figure, until
from tests.web import Web

Come = Callable[..., Guest]
MOST_MESSAGES = 1000  # far more than what the backlog and the kernel's buffers hold
TIMES = 40
UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process without models: jobs are skipped, so that there is nothing but chat."""
    with Web(tmp_path_factory.mktemp("data"), RATE_LIMIT="off", MAX_BACKLOG="0") as web:
        yield web


@pytest.fixture
def web(running: Web) -> Web:
    """The same, and nobody of the tests before is still there."""
    until(lambda: clients(running) == 0, "all others are gone")
    return running


def clients(web: Web) -> float:
    """How many are connected."""
    return figure(web.url, "spillway_clients")


def test_who_does_not_read_is_cut_off_and_resumes_without_a_gap(web: Web, guests: Come, room: str) -> None:
    ann = guests(web.url, "Ann")
    ann.join(room)
    deaf = Raw(web.url, {"name": "Deaf"}, buffer=4096)
    assert deaf.ask(f'["room:join",{{"room":"{room}"}}]')["seq"] == 0

    sent = 0
    while "does not read and is cut off" not in web.log.read_text():
        assert sent < MOST_MESSAGES, "it is never cut off"
        for _ in range(50):
            sent = ann.say(room, "x" * MAX_TEXT)["seq"]
    until(lambda: clients(web) == 1, "it is gone")

    assert ann.say(room, "Chat goes on")["seq"] == sent + 1
    back = guests(web.url, "Deaf")
    seqs: list[int] = []
    while len(seqs) <= sent:
        joined = back.join(room, after=len(seqs))
        seqs += [message["seq"] for message in joined["messages"]]
        assert joined["messages"]
    assert seqs == list(range(1, sent + 2))
    deaf.close()


@pytest.mark.slow
def test_who_answers_no_ping_is_let_go_and_the_room_is_told(tmp_path: Path, guests: Come) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "app", copy / "app")
    shutil.copy(ROOT / "wsgi.py", copy)
    (copy / "ml_clients").symlink_to(ROOT / "ml_clients")
    server = copy / "app" / "server.py"
    quick = re.sub(
        r"(?m)^PING_SECONDS = .*$", "PING_SECONDS = (1, 1)", server.read_text()
    )  # 40 s in all are too long here
    server.write_text(quick)
    with Web(tmp_path / "data", root=copy, MAX_BACKLOG="0") as web:
        ann, silent = guests(web.url, "Ann"), Raw(web.url, {"name": "Silent"})
        ann.join("lobby")
        silent.ask('["room:join",{"room":"lobby"}]')
        ann.saw("room:members", count=2)

        until(lambda: clients(web) == 1, "who says nothing is gone")  # nobody reads from it, so no ping is answered

        assert ann.join("lobby")["members"] == [{"id": "Ann", "name": "Ann"}]
        silent.close()


def test_a_flood_from_one_address_is_refused_though_each_connection_keeps_its_rate(tmp_path: Path) -> None:
    with Web(tmp_path, RATE_LIMIT="1") as web:
        crowd = [Raw(web.url, {"name": f"Guest {number}"}) for number in range(40)]
        for each in crowd:
            for number in range(2):  # what one connection may do at once
                each.send(f'42{number}["room:join",{{"room":"lobby"}}]')
        acks = [json.loads(packet[3:])[0] for each in crowd for packet in answers(each)]
        refused = [ack["error"] for ack in acks if not ack["ok"]]
        assert {error["code"] for error in refused} == {"rate_limited"}
        assert all(error["retry_after"] > 0 for error in refused)
        assert len(acks) - len(refused) >= 20  # the burst of an address
        for each in crowd:
            each.close()


def answers(raw: Raw) -> list[str]:
    """The acks of events 0 and 1."""
    found: list[str] = []
    while len(found) < 2:
        packet = raw.receive()
        assert packet is not None
        if packet.startswith(("430[", "431[")):
            found.append(packet)
    return found


@pytest.mark.slow
def test_one_connections_flood_is_refused_and_others_at_its_address_go_on(tmp_path: Path, guests: Come) -> None:
    with Web(tmp_path, RATE_LIMIT="2") as web:
        flood, ann = guests(web.url, "Flood"), guests(web.url, "Ann")
        acks = [flood.call("room:join", {"room": "lobby"}) for _ in range(60)]
        assert {ack["error"]["code"] for ack in acks if not ack["ok"]} == {"rate_limited"}
        assert ann.join("lobby")["ok"]


def reset(sock: socket.socket | None) -> None:
    """Close with a TCP reset, as a phone that loses its network and comes back under another address."""
    assert sock is not None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("after", ["half a request", "the upgrade request", "the handshake", "half a frame"])
def test_connections_that_die_mid_handshake_leave_nothing_behind(web: Web, guests: Come, room: str, after: str) -> None:
    host, port = web.url.removeprefix("http://").split(":")
    guests(web.url, "Ann").join(room)  # whatever is opened once is open now
    process = psutil.Process(web.process.pid)
    before = process.num_fds()
    for _ in range(TIMES):
        sock = socket.create_connection((host, int(port)))
        upgrade = UPGRADE.format(host=f"{host}:{port}").encode()
        sock.sendall(upgrade[:60] if after == "half a request" else upgrade)
        if after in ("the handshake", "half a frame"):
            assert sock.recv(4096).startswith(b"HTTP/1.1 101")
        if after == "half a frame":
            sock.sendall(b"\x81\xfe\x01")
        reset(sock)

    until(lambda: process.num_fds() <= before + 1, "its sockets are closed")  # /metrics itself may hold one
    assert clients(web) == 1
    assert guests(web.url, "Ben").join(room)["seq"] == 0
    assert "Traceback" not in web.log.read_text()


def test_who_vanishes_without_a_word_after_joining_is_not_in_the_room_any_more(
    web: Web, guests: Come, room: str
) -> None:
    ann = guests(web.url, "Ann")
    ann.join(room)
    for number in range(10):
        raw = Raw(web.url, {"name": f"Ghost {number}"})
        raw.ask(f'["room:join",{{"room":"{room}"}}]')
        reset(raw._socket.sock)

    until(lambda: clients(web) == 1, "they are gone")

    assert ann.join(room)["members"] == [{"id": "Ann", "name": "Ann"}]
