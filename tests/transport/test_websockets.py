"""Websockets byte by byte: closing, control frames, order, bounds, and clients that behave badly."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.guest import WAIT
from tests.transport.peer import BINARY, CLOSE, PING, PONG, TEXT, Peer, Served, frame, upgrade


def echo(number: int, *values: Any) -> bytes:
    """The frame of an echo with this id."""
    return frame(TEXT, f"42{number}" + json.dumps(["echo", *values], separators=(",", ":")))


def test_an_event_is_acknowledged_on_the_loop(served: Served) -> None:
    peer = served.client()
    peer.send(TEXT, '427["echo",{"text":"grüße 𝄞"}]')
    assert peer.text() == '437[{"text":"grüße 𝄞"}]'
    peer.send(TEXT, '42["echo",1]')  # no ack is wanted
    peer.send(TEXT, '428["echo",2]')
    assert peer.text() == "438[2]"
    peer.close()


def test_a_broadcast_reaches_everybody_packed_once(served: Served) -> None:
    peers = [served.client() for _ in range(3)]
    polling = served.polling_client()
    peers[0].send(TEXT, '42["shout","hello"]')
    assert [peer.text() for peer in peers] == ['42["shout","hello"]'] * 3
    assert served.poll(sid=polling).text == '42["shout","hello"]'
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_close_is_answered_with_its_code(served: Served, code: int) -> None:
    peer = served.client()
    peer.send(CLOSE, code.to_bytes(2, "big") + b"bye")
    assert peer.close_code() == code


def test_a_close_without_a_code_is_answered_without_one(served: Served) -> None:
    peer = served.client()
    peer.send(CLOSE)
    assert peer.receive() == (CLOSE, b"")
    assert peer.receive() is None


FAILS = {
    "reserved bits": (frame(TEXT, "42[]", reserved=0x20), 1002),
    "no mask": (frame(TEXT, "42[]", masked=False), 1002),
    "unknown opcode": (frame(5, "42[]"), 1002),
    "long ping": (frame(PING, b"x" * 126), 1002),
    "fragmented close": (frame(CLOSE, b"", fin=False), 1002),
    "data frame inside a message": (frame(TEXT, "42", fin=False) + frame(TEXT, "42[]"), 1002),
    "bad UTF-8": (frame(TEXT, b"42\xff"), 1007),
    "bad UTF-8 in fragments": (frame(TEXT, b"42\xc3", fin=False) + frame(0, b"\x28"), 1007),
    "bad UTF-8 in a close": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "too large": (b"\x82\xff" + (100_001).to_bytes(8, "big"), 1009),
    "too large in fragments": (frame(BINARY, b"x" * 90_000, fin=False) + frame(0, b"x" * 20_000), 1009),
    "engine packet of no kind": (frame(TEXT, "abc"), 1002),
    "empty engine packet": (frame(TEXT, ""), 1002),
    "socket packet of no kind": (frame(TEXT, "4abc"), 1002),
    "no socket packet": (frame(TEXT, "4"), 1002),
    "event that is no array": (frame(TEXT, "42{}"), 1002),
    "event without a name": (frame(TEXT, "42[]"), 1002),
    "event with a number for a name": (frame(TEXT, "42[1]"), 1002),
    "event with a reserved name": (frame(TEXT, '42["connect"]'), 1002),
    "event with another reserved name": (frame(TEXT, '42["disconnect"]'), 1002),
    "an attachment nobody announced": (frame(BINARY, "x"), 1002),
    "text while attachments are due": (
        frame(TEXT, '451-["stock",{"_placeholder":true,"num":0}]') + frame(TEXT, '42["echo"]'),
        1002,
    ),
    "too many attachments": (frame(TEXT, '45999-["stock"]'), 1002),
}


@pytest.mark.parametrize("case", FAILS)
def test_what_is_wrong_closes_with_its_code_and_what_came_before_is_handled(served: Served, case: str) -> None:
    data, code = FAILS[case]
    peer = served.client()
    peer.raw(echo(1, case) + data)
    assert peer.text() == f"431[{json.dumps(case)}]"
    assert peer.close_code() == code
    served.wait(lambda seen: ["disconnect", peer.sid, True] in seen)


def test_an_event_and_a_close_in_one_segment_are_both_handled(served: Served) -> None:
    peer = served.client()
    peer.raw(echo(1, "last words") + frame(CLOSE, b"\x03\xe8"))
    assert peer.text() == '431["last words"]'
    assert peer.receive() == (CLOSE, b"\x03\xe8")
    peer.close()


@pytest.mark.parametrize("end", ["Close frame", "end of the stream", "reset"])
def test_events_behind_a_blocked_handler_are_handled_in_order_though_the_client_left(served: Served, end: str) -> None:
    peer, other = served.client(), served.client()
    peer.raw(frame(TEXT, '421["stuck"]') + b"".join(frame(TEXT, f'42["stock","{end} {i}"]') for i in range(3)))
    served.wait(lambda seen: ["stuck"] in seen)
    peer.raw(frame(TEXT, f'42["echo","{end}"]'))
    before = len(served.happened())
    if end == "Close frame":
        peer.send(CLOSE, b"\x03\xe8")
        assert peer.receive() == (CLOSE, b"\x03\xe8")
    elif end == "reset":
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    other.raw(frame(TEXT, '421["open"]'))
    assert other.text() == "431[null]"
    served.wait(lambda seen: ["disconnect", peer.sid, True] in seen)
    seen = [each[:2] for each in served.happened()[before:] if each[0] in ("stock", "disconnect") or end in each]
    expected = [["stock", f"{end} {i}"] for i in range(3)] + [["event", "echo"], ["disconnect", peer.sid]]
    assert seen == (expected if end != "reset" else seen)  # a reset throws away what was not read
    assert seen[-1] == ["disconnect", peer.sid]
    other.close()


def test_one_byte_that_looks_like_a_pong_is_an_attachment(served: Served) -> None:
    peer = served.client()
    peer.send(TEXT, '451-7["stock",{"_placeholder":true,"num":0}]')
    peer.send(BINARY, b"3")
    assert peer.text().startswith('461-7[{"_placeholder":true')
    assert peer.receive() == (BINARY, b"3")
    peer.raw(echo(8, "after"))
    assert peer.text() == '438["after"]'
    assert ["stock", b"3".hex()] in served.happened()
    peer.close()


def test_fragments_of_a_message_and_a_ping_between_them(served: Served) -> None:
    peer = served.client()
    peer.raw(frame(TEXT, '429["echo",', fin=False) + frame(PING, "between") + frame(0, '"joined"]'))
    assert peer.receive() == (PONG, b"between")
    assert peer.text() == '439["joined"]'
    peer.close()


def test_twenty_thousand_empty_fragments_are_one_message(served: Served) -> None:
    peer = served.client()
    peer.raw(frame(TEXT, '423["echo",', fin=False) + frame(0, "", fin=False) * 20_000 + frame(0, "1]"))
    assert peer.text() == "433[1]"
    peer.close()


def test_ten_thousand_pings_are_all_answered(served: Served) -> None:
    peer = served.client()
    peer.socket.setblocking(True)
    for number in range(100):
        peer.raw(b"".join(frame(PING, str(number * 100 + i)) for i in range(100)))
        for i in range(100):
            assert peer.receive() == (PONG, str(number * 100 + i).encode())
    peer.close()


def test_half_a_frame_holds_up_nobody(served: Served) -> None:
    half, whole = served.client(), served.client()
    half.raw(frame(BINARY, b"x" * 90_000)[:50_000])
    whole.raw(echo(1, "on"))
    assert whole.text() == '431["on"]'
    half.close()
    served.wait(lambda seen: ["disconnect", half.sid, True] in seen)
    whole.close()


def test_a_large_message_comes_whole_and_goes_whole(served: Served) -> None:
    peer = served.client()
    text = "ä" * 40_000
    peer.raw(frame(TEXT, f'425["echo","{text}"]'))
    assert peer.text() == f'435["{text}"]'
    peer.close()


def test_a_client_that_hangs_up_is_told_by_on_disconnect_once(served: Served) -> None:
    peer = served.client()
    peer.send(TEXT, "41")
    served.wait(lambda seen: ["disconnect", peer.sid, True] in seen)
    peer.close()
    other = served.client()
    other.raw(echo(1))
    other.text()
    assert served.happened().count(["disconnect", peer.sid, True]) == 1
    other.close()


def test_close_is_an_engine_close_and_no_disconnect_so_that_clients_come_back(served: Served) -> None:
    peer = served.client()
    peer.send(TEXT, '42["hangup"]')
    assert peer.text() == "1"
    assert peer.close_code() == 1000


def test_who_is_refused_gets_the_reason(served: Served) -> None:
    peer = served.peer()
    peer.text()
    peer.send(TEXT, '40{"name":"Mallory"}')
    assert json.loads(peer.text()[2:]) == {"message": "not you", "data": {"code": "mallory"}}
    peer.close()


def test_an_unknown_namespace_is_refused_and_a_known_one_works(served: Served) -> None:
    peer = served.client()
    peer.send(TEXT, "40/nowhere,")
    assert peer.text() == '44/nowhere,{"message":"Invalid namespace"}'
    peer.send(TEXT, "40/other,")
    assert peer.text().startswith("40/other,{")
    peer.send(TEXT, '42/other,3["echo","there"]')
    assert peer.text() == '43/other,3["there"]'
    peer.close()


def test_an_error_on_the_loop_is_logged_and_the_connection_goes_on(served: Served) -> None:
    peer = served.client()
    peer.send(TEXT, '42["fail"]')
    peer.raw(echo(2, "on"))
    assert peer.text() == '432["on"]'
    peer.close()


def test_a_handler_of_python_socketio_may_ask_the_client(served: Served) -> None:
    peer = served.client()
    peer.send(TEXT, '421["ask"]')
    question = peer.text()
    assert question.endswith('["question",{"n":1}]')
    peer.send(TEXT, f"43{question[2 : question.index('[')]}[42]")
    served.wait(lambda seen: ["answered", 42] in seen)
    peer.close()


def test_rooms_and_handlers_of_flask_socketio_go_on_working(served: Served) -> None:
    ann, ben = served.client(), served.client()
    for peer in (ann, ben):
        peer.send(TEXT, '421["enter","room"]')
        assert peer.text() == "431[]"
    ann.send(TEXT, '42["tell","room",{"a":1}]')
    assert [peer.text() for peer in (ann, ben)] == ['42["told",{"a":1}]'] * 2
    ann.send(TEXT, '422["tell","room",2,true]')
    assert (ann.text(), ben.text()) == ("432[]", '42["told",2]')
    ann.send(TEXT, '423["flask",{"x":1}]')
    assert [ann.text(), ann.text()] == ['42["flasked",{"x":1}]', '433[{"got":{"x":1}}]']
    ben.send(TEXT, '42["kick"]')
    assert ben.text() == "41"
    ann.close()
    ben.close()


def test_pings_announce_fractions_of_a_second_and_a_blocked_handler_costs_nobody_the_connection(
    mode: str, servers: Callable[..., Served]
) -> None:
    served = servers(mode, ping_interval=0.3, ping_timeout=0.3)
    peer = served.peer()
    opened = json.loads(peer.text()[1:])
    assert (opened["pingInterval"], opened["pingTimeout"]) == (300, 300)
    peer.send(TEXT, "40")
    peer.text()
    peer.send(TEXT, '421["stuck"]')
    served.wait(lambda seen: ["stuck"] in seen)
    for _ in range(4):  # longer than both together
        head = peer._file.read(3)
        assert head == b"\x81\x012"
        peer.send(TEXT, "3")
    other = served.client()
    other.send(TEXT, '42["open"]')
    assert peer.text() == '431[["free"]]'
    peer.close()
    other.close()


def test_who_answers_no_ping_is_closed(mode: str, servers: Callable[..., Served]) -> None:
    served = servers(mode, ping_interval=0.3, ping_timeout=0.3)
    peer = served.client()
    assert peer.text() == "1"
    assert peer.close_code() == 1000
    served.wait(lambda seen: ["disconnect", peer.sid, True] in seen)


def test_who_never_connects_is_closed(mode: str, servers: Callable[..., Served]) -> None:
    served = servers(mode, connect_seconds=0.2, head_seconds=0.2)
    peer = served.peer()
    assert peer.text().startswith("0{")
    assert peer.text() == "1"
    assert peer.close_code() == 1000
    connected = served.client()
    connected.raw(echo(1, "stays"))
    assert connected.text() == '431["stays"]'
    connected.close()


def test_half_a_request_head_costs_nothing_and_ends(mode: str, servers: Callable[..., Served]) -> None:
    served = servers(mode, connect_seconds=0.2, head_seconds=0.2)
    peer = Peer(served.port, head="")
    process = psutil.Process(served.process.pid)
    before = sum(process.cpu_times()[:2])
    peer.raw(upgrade("EIO=4&transport=websocket")[:-10])
    assert peer.receive() is None
    assert sum(process.cpu_times()[:2]) - before < 0.15  # of the 0.2 s; a loop that spins would take them all
    peer.close()


def test_a_request_head_past_its_bound_is_refused(served: Served) -> None:
    peer = Peer(served.port, head="")
    peer.raw(b"GET /socket.io/ HTTP/1.1\r\nX: " + b"x" * 20_000)
    assert peer.response()[0] == 431
    peer.close()


@pytest.mark.parametrize(
    ("how", "status"), [({"version": "8"}, 426), ({"version": None}, 426), ({"key": "short"}, 400)]
)
def test_a_handshake_that_is_wrong_is_refused_before_a_session_is_made(
    served: Served, how: dict[str, Any], status: int
) -> None:
    peer = Peer(served.port, head="")
    peer.raw(upgrade("EIO=4&transport=websocket", **how))
    got, headers = peer.response()
    assert got == status
    assert status != 426 or headers["sec-websocket-version"] == "13"
    peer.close()


@pytest.mark.parametrize(
    "query", ["EIO=3&transport=websocket", "EIO=4&transport=carrier", "EIO=4&transport=websocket&sid=x"]
)
def test_a_websocket_that_engine_io_does_not_want_gets_400(served: Served, query: str) -> None:
    peer = Peer(served.port, head="")
    peer.raw(upgrade(query))
    assert peer.response()[0] == 400
    peer.close()


def test_another_origin_is_refused(served: Served) -> None:
    peer = Peer(served.port, head="")
    peer.raw(upgrade("EIO=4&transport=websocket", more="Origin: http://evil.example\r\n"))
    assert peer.response()[0] == 400
    peer.close()


def test_a_handshake_in_pieces_with_the_first_frames_right_behind_it(served: Served) -> None:
    peer = Peer(served.port, head="")
    data = upgrade("EIO=4&transport=websocket") + frame(TEXT, "40") + echo(1, "early")
    for i in range(0, len(data), 50):
        peer.raw(data[i : i + 50])
    assert peer.response()[0] == 101
    assert peer.text().startswith("0{")
    assert peer.text().startswith("40{")
    assert peer.text() == '431["early"]'
    peer.close()


def test_an_upgrade_on_a_connection_that_served_a_page(servers: Callable[..., Served]) -> None:
    """Eventlet only: Werkzeug's handler keeps no connection alive."""
    served = servers("eventlet", max_http_buffer_size=100_000)
    peer = Peer(served.port, head="")
    peer.raw("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    assert peer.response()[0] == 404
    peer.raw(upgrade("EIO=4&transport=websocket"))
    assert peer.response()[0] == 101
    assert peer.text().startswith("0{")
    peer.send(TEXT, "40")
    assert peer.text().startswith("40{")
    peer.raw(echo(1, "kept"))
    assert peer.text() == '431["kept"]'
    peer.close()


def test_who_does_not_read_is_cut_off_and_nobody_else_notices(mode: str, servers: Callable[..., Served]) -> None:
    served = servers(mode, max_unsent=200_000)
    deaf, other = served.client(), served.client()
    deaf.send(TEXT, '42["flood",3000]')  # 30 MB
    served.wait(lambda seen: ["disconnect", deaf.sid, True] in seen)
    assert "does not read and is cut off" in served.log.read_text()
    other.raw(echo(1, "on"))
    assert other.text() == '431["on"]'
    deaf.close()
    other.close()


def test_a_slow_reader_gets_everything_in_order_and_then_the_pong_and_the_close(served: Served) -> None:
    peer = served.client()
    peer.send(TEXT, '421["flood",390]')  # just under the bound: more than the kernel takes at once
    peer.raw(frame(PING, "slow") + frame(CLOSE, b"\x03\xe8"))
    seen = [peer.receive() for _ in range(393)]
    assert all(each and each[1].startswith(b'42["flood"') for each in seen[:390])
    assert seen[390:] == [(TEXT, b"431[390]"), (PONG, b"slow"), (CLOSE, b"\x03\xe8")]
    peer.close()


def test_a_flood_behind_a_blocked_handler_is_not_read_and_nothing_is_lost(served: Served) -> None:
    peer, other = served.client(), served.client()
    peer.send(TEXT, '42["stuck"]')
    served.wait(lambda seen: seen.count(["stuck"]))
    for i in range(1000):
        peer.raw(echo(i, "x" * 500))
    other.send(TEXT, '42["open"]')
    assert [peer.text().partition("[")[0] for _ in range(1000)] == [f"43{i}" for i in range(1000)]
    peer.close()
    other.close()


def test_stopping_closes_everybody_and_sends_what_waits(mode: str, tmp_path: Any) -> None:
    with Served(mode, tmp_path / "log") as served:
        peer, sid = served.client(), served.polling_client()
        peer.raw(echo(1, "before"))
        assert peer.text() == '431["before"]'
        served.process.terminate()
        assert peer.text() == "1"
        assert peer.close_code() == 1000
        assert served.process.wait(WAIT) == 0
        assert sid
    assert "Traceback" not in served.log.read_text()
