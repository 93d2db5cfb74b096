"""How long a client may take to send a request."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from app.concurrency import paced
from app.concurrency.paced import Pace

HEAD = b"GET / HTTP/1.1\r\n\r\n"


class Place:
    """Notes whether its client is to send something."""

    def __init__(self) -> None:
        self.pending, self.close = True, lambda: None

    def begin(self) -> None:
        """It is."""
        self.pending = True

    def done(self) -> None:
        """It has."""
        self.pending = False


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def pace(place: Place) -> Pace:
    return Pace(HEAD, place)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def read(pace: Pace, sock: socket.socket, size: int = 64) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: pace.receive_into(sock, sock.recv_into, buffer, 0, 0)])


def test_what_was_read_already_comes_first(pace: Pace, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.send(b"more")
    assert read(pace, ours, 4) + read(pace, ours) == HEAD
    assert read(pace, ours) == b"more"


@pytest.mark.parametrize("phase", ["HEAD_SECONDS", "BODY_SECONDS", "IDLE_SECONDS"])
def test_who_sends_nothing_in_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch, place: Place, ends: tuple[socket.socket, socket.socket], phase: str
) -> None:
    monkeypatch.setattr(paced, phase, 0.01)
    pace = Pace(b"", place)
    if phase == "BODY_SECONDS":
        pace.expect_body(1)
    if phase == "IDLE_SECONDS":
        pace.expect_request(hang_up=False)
    with pytest.raises(TimeoutError):
        read(pace, ends[0])


def test_a_byte_now_and_then_does_not_make_a_body_last_longer(
    monkeypatch: pytest.MonkeyPatch, pace: Pace, ends: tuple[socket.socket, socket.socket]
) -> None:
    monkeypatch.setattr(paced, "BODY_SECONDS", 0.05)
    ours, theirs = ends
    read(pace, ours)
    pace.expect_body(100)

    def drip() -> None:
        while True:
            theirs.send(b"x")
            assert read(pace, ours) == b"x"

    with pytest.raises(TimeoutError):
        drip()


def test_the_first_byte_of_a_request_begins_the_time_of_its_head(
    monkeypatch: pytest.MonkeyPatch, pace: Pace, ends: tuple[socket.socket, socket.socket]
) -> None:
    monkeypatch.setattr(paced, "HEAD_SECONDS", 0.01)
    ours, theirs = ends
    read(pace, ours)
    pace.expect_request(hang_up=False)
    theirs.send(b"G")
    assert read(pace, ours) == b"G"
    with pytest.raises(TimeoutError):
        read(pace, ours)


def test_a_refused_client_is_read_for_a_moment_and_then_as_if_it_had_ended(
    monkeypatch: pytest.MonkeyPatch, pace: Pace, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    read(pace, ours)
    theirs.send(b"the rest")
    pace.expect_request(hang_up=True)
    assert read(pace, ours) == b"the rest"
    monkeypatch.setattr(paced, "LINGER_SECONDS", 0.0)
    pace.expect_request(hang_up=True)
    theirs.send(b"and more")
    assert read(pace, ours) == b""


def test_a_connection_counts_while_its_client_is_to_send_something(pace: Pace, place: Place) -> None:
    steps = [lambda: pace.expect_body(7), lambda: pace.expect_body(0), lambda: pace.expect_request(hang_up=False)]
    pending = []
    for step in [*steps, pace.closed]:
        step()
        pending.append(place.pending)
    assert pending == [True, False, True, False]
