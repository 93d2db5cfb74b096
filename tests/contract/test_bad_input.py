"""Whatever is sent gets an ack with the right code, or is refused at the transport's bound; nobody else notices."""

from __future__ import annotations

import io
import json
import re
import secrets
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import websocket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.compare.system import System
from tests import shapes
from tests.guest import WAIT, Guest, Raw, introduced
from tests.lossless.evidence import until

Come = Callable[..., Guest]
ASYNC_MODES = ["eventlet", "threading with tokens"]


@pytest.fixture(scope="module", params=ASYNC_MODES)
def running(request: pytest.FixtureRequest, systems: Callable[[str], System]) -> System:
    """A system on each concurrency library: they bring websockets of their own."""
    started = systems(request.param)
    started.flag("simple")
    return started


@pytest.fixture
def witness(running: System, guests: Come, room: str) -> Iterator[Guest]:
    """Somebody else in the room, who must notice nothing and be able to chat on."""
    guest = guests(running.url, "Witness")
    guest.join(room)
    yield guest
    assert guest.connected
    text = secrets.token_hex(8)
    message = guest.say(room, text)
    assert guest.saw("message:new", seq=message["seq"])["text"] == text
    others = [data for event, data in guest.seen if event == "message:new" and data["sender"]["id"] == "Raw"]
    assert others == []


@pytest.fixture
def raw(running: System, witness: Guest, room: str) -> Iterator[Raw]:
    """A bare connection that has joined the room."""
    bare = Raw(running.url)
    for each in (room, "property-room"):
        assert bare.ask(json.dumps(["room:join", {"room": each}]))["ok"] is True
    yield bare
    bare.close()


def refusal(ack: dict[str, Any]) -> tuple[str, str | None]:
    """Code and field of a refusal in the contract's shape."""
    assert ack["ok"] is False
    shapes.check_ack("", ack)
    return ack["error"]["code"], ack["error"].get("field")


EVENTS = {
    "not a number": ("typing", '{"room": ROOM, "on": NaN}', "bad_request", "on"),
    "infinity deep inside": (
        "job:create",
        '{"room": ROOM, "key": "k", "task": "language", "args": {"text": [-Infinity]}}',
        "bad_request",
        "args.text",
    ),
    "lone surrogate": (
        "message:send",
        r'{"room": ROOM, "key": "k", "text": "a\ud800b"}',
        "bad_request",
        "text",
    ),
    "lone surrogate as a field": ("typing", r'{"room": ROOM, "on": true, "\udfff": 1}', "bad_request", None),
    "control character": ("message:send", r'{"room": ROOM, "key": "k", "text": "a\u0000b"}', "bad_request", "text"),
    "escape character": ("message:send", r'{"room": ROOM, "key": "k", "text": "a\u001bb"}', "bad_request", "text"),
    "carriage return": ("message:send", r'{"room": ROOM, "key": "k", "text": "a\rb"}', "bad_request", "text"),
    "no text": ("message:send", '{"room": ROOM, "key": "k", "text": ""}', "bad_request", "text"),
    "too much text": (
        "message:send",
        '{"room": ROOM, "key": "k", "text": "%s"}' % ("x" * 8193),
        "bad_request",
        "text",
    ),
    "too much text of wide characters": (
        "message:send",
        '{"room": ROOM, "key": "k", "text": "%s"}' % ("𝄞" * 8193),
        "bad_request",
        "text",
    ),
    "nested 1,000 deep": (
        "job:create",
        '{"room": ROOM, "key": "k", "task": "language", "args": {"text": %s}}' % ("[" * 1000 + "]" * 1000),
        "bad_request",
        None,
    ),
    "objects 1,000 deep": (
        "typing",
        '{"room": ROOM, "on": %s}' % ('{"a":' * 1000 + "1" + "}" * 1000),
        "bad_request",
        None,
    ),
    "nested 100 deep": ("typing", '{"room": ROOM, "on": %s}' % ("[" * 100 + "]" * 100), "bad_request", "on"),
    "a string": ("message:send", '"hello"', "bad_request", None),
    "an array": ("message:send", "[]", "bad_request", None),
    "null": ("message:send", "null", "bad_request", None),
    "text as a number": ("message:send", '{"room": ROOM, "key": "k", "text": 7}', "bad_request", "text"),
    "room as an object": ("room:join", '{"room": {}}', "bad_request", "room"),
    "on as a word": ("typing", '{"room": ROOM, "on": "yes"}', "bad_request", "on"),
    "after as a fraction": ("room:join", '{"room": ROOM, "after": 1.5}', "bad_request", "after"),
    "after below zero": ("room:join", '{"room": ROOM, "after": -1}', "bad_request", "after"),
    "after past 64 bits": ("room:join", '{"room": ROOM, "after": 99999999999999999999}', "bad_request", "after"),
    "before past 64 bits": ("room:history", '{"room": ROOM, "before": 9223372036854775808}', "bad_request", "before"),
    "limit above 200": ("room:history", '{"room": ROOM, "before": 1, "limit": 201}', "bad_request", "limit"),
    "args as an array": (
        "job:create",
        '{"room": ROOM, "key": "k", "task": "language", "args": []}',
        "bad_request",
        "args",
    ),
    "missing field": ("message:send", '{"room": ROOM, "text": "hello"}', "bad_request", "key"),
    "unknown field": ("typing", '{"room": ROOM, "on": true, "loud": 1}', "bad_request", "loud"),
    "unknown event": ("message:shout", '{"room": ROOM}', "bad_request", None),
    "unknown task": ("job:create", '{"room": ROOM, "key": "k", "task": "nonsense"}', "unknown_task", "task"),
    "room not joined": ("message:send", '{"room": "elsewhere", "key": "k", "text": "hello"}', "not_in_room", "room"),
    "room without a name": ("room:join", '{"room": ""}', "bad_request", "room"),
    "room name too long": ("room:join", '{"room": "%s"}' % ("x" * 65), "bad_request", "room"),
    "room name with a space": ("room:join", '{"room": "a b"}', "bad_request", "room"),
    "room name with a line break at its end": ("room:join", r'{"room": "a\n"}', "bad_request", "room"),
    "key with a dot": ("message:send", '{"room": ROOM, "key": "a.b", "text": "hello"}', "bad_request", "key"),
    "key too long": ("message:send", '{"room": ROOM, "key": "%s", "text": "x"}' % ("k" * 65), "bad_request", "key"),
    "no such job": ("job:cancel", '{"job": "00000000000000000000000000"}', "not_found", "job"),
}


@pytest.mark.parametrize("case", EVENTS)
def test_an_event_that_does_not_fit_is_refused(raw: Raw, room: str, case: str) -> None:
    event, data, code, field = EVENTS[case]
    ack = raw.ask(f'["{event}", {data.replace("ROOM", json.dumps(room))}]')
    assert refusal(ack) == (code, field)


@pytest.mark.parametrize(
    "content", ['["typing"]', '["typing", {"room": "r", "on": true}, 2]', '["typing", 1, 2, 3, 4]']
)
def test_an_event_has_exactly_one_object(raw: Raw, content: str) -> None:
    assert refusal(raw.ask(content)) == ("bad_request", None)


def test_binary_where_text_is_due_is_refused(raw: Raw, room: str) -> None:
    content = json.dumps(["message:send", {"room": room, "key": "k", "text": {"_placeholder": True, "num": 0}}])
    ack = raw.ask(content, kind="45+1", then=(b"hello",))
    assert refusal(ack) == ("bad_request", "text")


def test_nesting_no_parser_follows_is_refused_and_the_connection_goes_on(raw: Raw, room: str) -> None:
    raw.send('42["typing",' + "[" * 100_000 + "]" * 100_000 + "]")
    assert raw.ask(json.dumps(["typing", {"room": room, "on": True}]))["ok"] is True


@pytest.mark.parametrize(
    "packet",
    [
        "4", "42", "42[]", "42{}", "42[1]", "42[null,{}]", '42["connect"]', '42["disconnect",{}]', '42["typing",',
        "427", "42-1[]", '45-["typing",{}]', '4599-["typing",{"_placeholder":true,"num":0}]', '450-["typing",{}]',
        "43[]", "431[1]", "4699-1[]", "49", "47", "4x", "6", "44{}", '42/elsewhere,["typing",{}]', "40/elsewhere,",
        "40{}", '42["(unreadable)"]', "42" + "9" * 200 + "[]",
    ],
)  # fmt: skip
def test_a_packet_that_makes_no_sense_harms_nobody(raw: Raw, running: System, room: str, packet: str) -> None:
    raw.send(packet)
    raw.send(f'428["typing",{json.dumps({"room": room, "on": True})}]')
    while (answer := raw.receive()) is not None:  # either the next event is answered, or the connection was ended
        if answer.startswith("438["):
            break


def test_a_frame_past_the_bound_ends_that_connection_only(raw: Raw, room: str) -> None:
    try:
        raw.send(f'427["message:send",{json.dumps({"room": room, "key": "k", "text": "x" * 10_000_000})}]')
    except (OSError, websocket.WebSocketException):
        pass  # the server does not read it to its end
    assert raw.closed()


def test_bytes_that_are_no_text_end_that_connection_at_most(raw: Raw, room: str) -> None:
    raw.send_bytes(b'427["typing",{"room":"\xed\xa0\x80"}]', websocket.ABNF.OPCODE_TEXT)
    try:
        raw.send(f'428["typing",{json.dumps({"room": room, "on": True})}]')
    except (OSError, websocket.WebSocketException):
        return  # refused at the transport
    while (answer := raw.receive()) is not None:
        if answer.startswith("438["):
            break


def test_a_polling_client_cannot_send_past_the_bound_either(running: System, witness: Guest) -> None:
    address = f"{running.url}/socket.io/?EIO=4&transport=polling"
    sid = json.loads(requests.get(address, timeout=WAIT).text[1:])["sid"]
    requests.post(
        f"{address}&sid={sid}", data=f"40{json.dumps(introduced(running.url, 'Raw'))}", timeout=WAIT
    ).raise_for_status()
    answer = requests.post(f"{address}&sid={sid}", data=b"4" + b"x" * 300_000, timeout=WAIT)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n" + b"x" * 40]
)
def test_what_is_not_an_image_is_refused(running: System, witness: Guest, room: str, content: bytes) -> None:
    assert upload(running, room, content) == (400, "bad_request", "file")


@pytest.mark.parametrize("size", [(40_000, 25_000), (10_000, 5_000)])
def test_an_image_that_claims_too_many_pixels_is_refused(
    running: System, witness: Guest, room: str, size: tuple[int, int]
) -> None:
    assert upload(running, room, claims(*size)) == (413, "too_large", "file")


def test_an_image_cut_short_is_refused(running: System, witness: Guest, room: str) -> None:
    file = io.BytesIO()
    Image.effect_noise((100, 100), 50).save(file, "PNG")
    assert upload(running, room, file.getvalue()[:-200]) == (400, "bad_request", "file")


def test_an_upload_past_the_bound_is_refused(running: System, witness: Guest, room: str) -> None:
    assert upload(running, room, b"x" * 1_100_000) == (413, "too_large", "file")


@pytest.mark.parametrize("name", ["", "a b", "x" * 65])
def test_an_upload_to_no_room_is_refused(running: System, witness: Guest, name: str) -> None:
    assert upload(running, name, claims(1, 1)) == (400, "bad_request", "room")


def plain(running: System) -> str:
    """Its log without colours."""
    return re.sub("\x1b\\[[0-9;]*m", "", running.log.read_text())


def fields_of_refused(running: System) -> list[str]:
    """What was wrong with each event that was refused, as its log says."""
    return re.findall(r"refused .*field=(\S+)", plain(running))


def test_the_log_has_one_line_without_the_payload(running: System, raw: Raw, room: str) -> None:
    secret = f"secret{secrets.token_hex(8)}"
    # Lines are written by a thread: those of earlier tests come before the ones of these two events.
    raw.ask(json.dumps(["room:history", {"room": room, "before": -1}]))
    raw.ask(json.dumps(["room:history", {"room": room, "before": 1, "limit": 0}]))
    until(lambda: fields_of_refused(running)[-2:] == ["before", "limit"], "earlier lines are written")
    before = len(plain(running))
    raw.ask(json.dumps(["message:send", {"room": room, "key": "k", "text": f"{secret}\x00"}]))
    raw.ask(json.dumps([f"event:{secret}", {"text": secret}]))
    raw.ask(json.dumps(["message:send", {"room": room, "key": secret * 9, secret: 1}]))

    def new() -> str:
        return plain(running)[before:]

    until(lambda: new().count("refused") >= 3, "the lines are there: nobody waits for them to be written")
    assert [line.count("bad_request") for line in new().splitlines() if "refused" in line] == [1, 1, 1]
    assert f"{secret}\x00" not in new()
    assert "Traceback" not in new()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(["room", "key", "text", "upload", "task", "args", "on", "after", "before", "limit", "job"])
NEARLY = st.dictionaries(FIELDS, JSON | st.just("property-room") | st.integers(0, 9) | st.just({}), max_size=5)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=st.sampled_from(sorted(shapes.ACKS)) | st.text(max_size=8), data=JSON | NEARLY)
def test_any_json_gets_an_ack_in_the_contracts_shape(raw: Raw, event: str, data: Any) -> None:
    ack = raw.ask(json.dumps([event, data]))
    shapes.check_ack(event, ack)
    assert ack["ok"] or ack["error"]["code"] != "internal"


def upload(running: System, room: str, content: bytes) -> tuple[int, str, str]:
    """Status, code and field of a refused upload."""
    ann = Guest(running.url, "Ann")
    joined = ann.call("room:join", {"room": room})
    ann.close(wait=False)
    form = {"room": room, "token": joined.get("upload_token", "")}
    files = {"file": ("x.png", content)}
    answer = requests.post(f"{running.url}/api/uploads", data=form, files=files, headers=running.headers, timeout=WAIT)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["field"]


def claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header says it is this large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
