"""The load generator writes and reads frames as they are, and notices every wrong answer (so its figures mean something)."""

from __future__ import annotations

import itertools
import re
import socket
import threading
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import measure as measuring
from tests.bench.crowd import Client, Crowd, LoadFailed
from tests.bench.dialects import PLAIN, SPILLWAY, job_template
from tests.bench.frames import FIRST_NUMBER, Closed, Unreadable, frame, split
from tests.bench.loads import Acks, Fan, Jobs, MessagesWithJobs, Paced, templates
from tests.guest import WAIT

ROOM = "r"


def unmasked(payload: bytes) -> bytes:
    """A text frame as a server sends it."""
    sent = frame(payload)
    head = len(sent) - len(payload) - 4  # without the mask key
    return bytes((sent[0], sent[1] & 0x7F)) + sent[2:head] + payload


class FakeClient(Client):
    """A client without a socket: keeps what it is told to send."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.name, self.room, self.listener = "u", ROOM, None
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        """Keep it."""
        self.sent.append(data)


@given(st.lists(st.binary(max_size=70_000).map(lambda data: b"4" + data), max_size=4), st.integers(1, 1000))
def test_frames_are_read_whole_however_they_arrive(payloads: list[bytes], step: int) -> None:
    stream = b"".join(map(unmasked, payloads))
    read, rest = [], b""
    for at in range(0, len(stream), max(step, len(stream) // 50)):
        found, rest = split(rest + stream[at : at + max(step, len(stream) // 50)])
        read += found
    assert (read, rest) == (payloads, b"")


def test_a_close_frame_and_a_binary_one_are_told() -> None:
    with pytest.raises(Closed, match="1009"):
        split(b"\x88\x02\x03\xf1")
    with pytest.raises(Unreadable, match="0x82"):
        split(b"\x82\x01x")


def test_a_template_is_the_frame_with_the_number_in_every_place() -> None:
    template = SPILLWAY.template("room%d", "100 % sure" * 20)
    filled = template.fill(FIRST_NUMBER + 7)
    assert filled.count(b"1000007") == 2
    assert b'"room":"room%d"' in filled
    assert b"100 % sure" in filled
    head = 8  # two bytes, two more for a length from 126 to 65,535, four for the mask key
    assert len(filled) - head == int.from_bytes(filled[2:4], "big")


def ack(client: FakeClient, number: int, answer: bytes = b'{"ok":true}') -> bytes:
    return b"43%d[%b]" % (number, answer)


def number_of(client: FakeClient) -> int:
    """The number of the last message that the client sent."""
    return int(client.sent[-1].partition(b"42")[2][:7])


def test_a_message_is_done_when_its_ack_and_its_delivery_are_there() -> None:
    client = FakeClient()
    load = Acks({client: PLAIN.template(ROOM, "x")}, 1, PLAIN)
    load.begin()
    load.stopping = True
    load.hear(client, [ack(client, number_of(client))])
    assert (load.done, load.outstanding()) == (1, 1)
    load.hear(client, [PLAIN.delivery + b',{"id":1}]'])
    assert load.outstanding() == 0


def test_an_ack_that_never_comes_is_outstanding() -> None:
    client = FakeClient()
    load = Acks({client: PLAIN.template(ROOM, "x")}, 2, None)
    load.begin()
    load.stopping = True
    load.hear(client, [ack(client, int(client.sent[-1].partition(b"42")[2][:7]))])
    assert load.outstanding() == 1


@pytest.mark.parametrize("answer", [b'{"ok":false,"error":{"code":"busy"}}', b"", b"null"])
def test_a_refusal_is_not_counted_as_an_ack(answer: bytes) -> None:
    client = FakeClient()
    load = Acks({client: PLAIN.template(ROOM, "x")}, 1, None)
    load.begin()
    with pytest.raises(LoadFailed, match="refused"):
        load.hear(client, [ack(client, number_of(client), answer)])


def test_an_ack_for_another_message_and_a_second_one_for_the_same_are_noticed() -> None:
    client = FakeClient()
    load = Paced({client: PLAIN.template(ROOM, "x")}, 1000)
    load.begin()
    load.tick(load._due)
    number = number_of(client)
    with pytest.raises(LoadFailed, match="waits for none"):
        load.hear(client, [ack(client, 9_999_999)])
    load.hear(client, [ack(client, number)])
    with pytest.raises(LoadFailed, match="waits for none"):
        load.hear(client, [ack(client, number)])


def test_a_fan_is_complete_with_the_ack_and_every_member_and_notices_one_delivery_too_many() -> None:
    members = [FakeClient() for _ in range(3)]
    load = Fan({member: SPILLWAY.template(ROOM, "x") for member in members}, 1, SPILLWAY)
    load.begin()
    load.stopping = True
    number = number_of(members[0])
    delivery = SPILLWAY.delivery + b',{"key":"k%d-a"}]' % number
    load.hear(members[0], [ack(members[0], number), delivery])
    load.hear(members[1], [delivery])
    assert (load.done, load.outstanding()) == (2, 1)
    load.hear(members[2], [delivery])
    assert (load.done, load.outstanding()) == (3, 0)
    with pytest.raises(LoadFailed, match="too often"):
        load.hear(members[2], [delivery])


def job_update(state: bytes, **fields: object) -> bytes:
    more = "".join(f',"{name}":{value}' for name, value in fields.items()).encode()
    return b'42["job:update",{"task":"noop","state":"%b"%b}]' % (state, more)


def test_a_job_is_done_when_its_update_says_so_and_a_failed_one_stops_the_measurement() -> None:
    client = FakeClient()
    load = Jobs({client: job_template(ROOM, "noop")}, 1)
    load.begin()
    load.stopping = True
    key = f'"k{number_of(client)}-ab"'
    load.hear(client, [job_update(b"running", key=key), ack(client, number_of(client))])
    assert load.done == 0
    load.hear(client, [job_update(b"succeeded", key=key)])
    assert (load.done, load.outstanding()) == (1, 0)
    with pytest.raises(LoadFailed, match="succeeded twice"):
        load.hear(client, [job_update(b"succeeded", key=key)])
    with pytest.raises(LoadFailed, match="ended as failed"):
        load.hear(client, [job_update(b"failed", key=key)])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_message_is_complete_with_its_ack_and_all_its_jobs_in_any_order(order: tuple[int, ...]) -> None:
    client = FakeClient()
    load = MessagesWithJobs({client: SPILLWAY.template(ROOM, "x")}, 1, ["noop", "other"])
    load.begin()
    load.stopping = True
    packets = [
        ack(client, number_of(client), b'{"ok":true,"message":{"seq":4}}'),
        job_update(b"succeeded", message=4),
        job_update(b"succeeded", message=4).replace(b"noop", b"other"),
    ]
    for place in order:
        assert load.done == 0
        load.hear(client, [packets[place]])
    assert (load.done, load.outstanding()) == (1, 0)


class LyingServer(threading.Thread):
    """Speaks Socket.IO well enough for one client to join; `lie` makes the answer to each message."""

    def __init__(self, lie: Callable[[int], bytes | None]) -> None:
        super().__init__(daemon=True)
        self._lie = lie
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.start()

    def run(self) -> None:
        """Answer one client until it leaves."""
        connection, _ = self._listening.accept()
        with self._listening, connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + unmasked(b'0{"sid":"x"}'))
            while data := connection.recv(4096):
                for packet in re.findall(rb"40|420|42\d{7}", data):
                    if answer := self._answer(packet):
                        connection.sendall(unmasked(answer))

    def _answer(self, packet: bytes) -> bytes | None:
        if packet == b"40":
            return b'40{"sid":"y"}'
        if packet == b"420":
            return b'430[{"ok":true}]'
        return self._lie(int(packet[2:]))


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (lambda number: b'43%d[{"ok":true}]' % number, None),
        (lambda number: None, "1 answers never came"),
        (lambda number: b'43%d[{"ok":true}]' % (number + 1), "waits for none"),
        (lambda number: b'43%d[{"ok":false}]' % number, "refused"),
    ],
)
def test_a_server_that_lies_voids_the_measurement(
    lie: Callable[[int], bytes | None], words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "DRAIN_SECONDS", 0.1)
    server = LyingServer(lie)
    with Crowd(server.port, PLAIN).open() as crowd:
        load = Acks(templates(crowd.connect([ROOM]), lambda room: PLAIN.template(room, "x")), 1, None)
        with pytest.raises(LoadFailed, match=words) if words else nullcontext():
            sample = measuring.measure(crowd, [load], 0.02, 0.05, lambda: {"web": 0.0})
            assert sample.done[0] == len(sample.took[0]) > 0
    server.join(WAIT)
