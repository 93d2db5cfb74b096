"""Every event is answered, in the order of each client, whatever was sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.chat.desk import MAX_WAITING
from app.chat.rate import Rates
from app.payload import Refused
from app.tasks import task
from tests.jobs.process import Guest, Process


@task(attempts=2)
def count(text: str) -> dict[str, str]:
    """Is asked for"""
    return {"text": text}


@pytest.fixture
def process(start: Callable[..., Process]) -> Process:
    return start({"count": count})


@pytest.fixture
def ann(process: Process) -> Guest:
    return process.guest("ann", "lobby")


def send(process: Process, guest: Guest, key: str) -> bytes:
    """A message."""
    return process.ask(guest, "message:send", room="lobby", key=key, text=f"text {key}")


def raw(process: Process, guest: Guest, body: bytes) -> dict[str, Any]:
    """What is answered to these bytes."""
    process.desk.take(guest, b"raw", body)
    process.turn()
    return guest.acks.pop(b"raw")


def test_an_event_that_needs_no_reading_is_answered_in_the_same_turn(process: Process, ann: Guest) -> None:
    process.guest("ben", "lobby")
    asked = process.ask(ann, "typing", room="lobby", on=True)
    assert ann.acks[asked] == {"ok": True}


def test_events_of_one_client_stay_in_order_behind_one_that_reads(process: Process, ann: Guest) -> None:
    reading = process.ask(ann, "room:history", room="lobby", before=10)
    behind = [send(process, ann, key) for key in "abc"]
    left = process.ask(ann, "room:leave", room="lobby")
    refused = send(process, ann, "d")
    assert ann.acks == {}

    process.turn()

    assert ann.acks[reading]["messages"] == []
    assert [ann.acks[id]["message"]["seq"] for id in behind] == [1, 2, 3]
    assert ann.acks[left] == {"ok": True}
    assert ann.acks[refused]["error"]["code"] == "not_in_room"


def test_several_that_read_are_answered_one_after_the_other(process: Process, ann: Guest) -> None:
    """So are messages; which of both is first says the disk."""
    sent, joined = list[bytes](), list[bytes]()
    for key in "abcd":
        sent.append(send(process, ann, key))
        joined.append(process.ask(ann, "room:join", room="lobby", after=0))

    process.turn()

    assert [id for id in ann.acks if id in joined] == joined
    assert [id for id in ann.acks if id in sent] == sent
    assert [ann.acks[id]["message"]["seq"] for id in sent] == [1, 2, 3, 4]
    seen = [ann.acks[id]["seq"] for id in joined]
    assert seen == sorted(seen)


def test_other_clients_do_not_wait_for_one_that_reads(process: Process, ann: Guest) -> None:
    ben = process.guest("ben", "lobby")
    history = process.ask(ann, "room:history", room="lobby", before=10)
    asked = process.ask(ben, "typing", room="lobby", on=True)
    assert ben.acks[asked] == {"ok": True}
    assert history not in ann.acks
    process.turn()
    assert history in ann.acks


def test_what_waits_behind_one_event_is_bounded(process: Process, ann: Guest) -> None:
    process.ask(ann, "room:history", room="lobby", before=10)
    for _ in range(MAX_WAITING):
        process.ask(ann, "typing", room="lobby", on=True)
    before = ann.closed
    process.ask(ann, "typing", room="lobby", on=True)
    assert (before, ann.closed) == (False, True)

    process.turn()

    assert len(ann.acks) == MAX_WAITING + 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'["message:send",{"room":"lobby","key":"k"}]', "bad_request"),
        (b'["message:send",{"room":"lobby","key":"k","text":"x","colour":"red"}]', "bad_request"),
        (b'["message:send"]', "bad_request"),
        (b'["message:send",{},{}]', "bad_request"),
        (b'["message:send",7]', "bad_request"),
        (b'["message:send",' + b"[" * 100_000, "bad_request"),
        (b'["nothing",{}]', "bad_request"),
        (b'["no', "bad_request"),
        (b"[]", "bad_request"),
        (b"[7]", "bad_request"),
        (b"{}", "bad_request"),
        (b"\xff\xfe", "bad_request"),
        (b'["job:create",{"room":"lobby","key":"k","task":"nothing"}]', "unknown_task"),
        (b'["job:create",{"room":"lobby","key":"k","task":"count","args":{"nothing":1}}]', "bad_request"),
        (b'["job:create",{"room":"other","key":"k","task":"count","args":{"text":"x"}}]', "not_in_room"),
        (b'["job:cancel",{"job":"nothing"}]', "not_found"),
        (b'["room:jobs",{"room":"lobby","after":"nothing"}]', "not_found"),
    ],
)
def test_whatever_is_sent_is_answered(process: Process, ann: Guest, body: bytes, code: str) -> None:
    answer = raw(process, ann, body)
    assert (answer["ok"], answer["error"]["code"]) == (False, code)
    assert answer["error"]["message"]
    sent = send(process, ann, "next")
    process.turn()
    assert ann.acks[sent]["ok"]


def test_white_space_and_escapes_in_an_event_make_no_difference(process: Process, ann: Guest) -> None:
    body = json.dumps(["message:send", {"room": "lobby", "key": "k", "text": "Gr\u00fc\u00dfe \U0001f600"}]).encode()
    assert raw(process, ann, body)["message"]["text"] == "Gr\u00fc\u00dfe \U0001f600"


def test_a_mistake_on_our_side_is_answered_and_the_client_goes_on(
    process: Process, ann: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(process.desk._table[b"typing"], "answer", mistake)
    asked = process.ask(ann, "typing", room="lobby", on=True)
    assert ann.acks[asked]["error"]["code"] == "internal"
    assert raw(process, ann, b'["room:history",{"room":"lobby","before":1}]')["ok"]


def test_who_sends_too_much_is_told_how_long_to_wait(process: Process, ann: Guest) -> None:
    process.desk._rates = Rates(1.0)
    for _ in range(2):
        process.ask(ann, "typing", room="lobby", on=True)
    asked = process.ask(ann, "typing", room="lobby", on=True)
    assert ann.acks[asked]["error"]["code"] == "rate_limited"
    assert 0 < ann.acks[asked]["error"]["retry_after"] <= 1


def test_who_wants_no_answer_gets_none(process: Process, ann: Guest) -> None:
    process.desk.take(ann, b"", b'["typing",{"room":"lobby","on":true}]')
    process.desk.take(ann, b"", b'["nothing",{}]')
    assert ann.acks == {}


def test_no_more_come_in_than_there_is_room_for(process: Process, ann: Guest) -> None:
    process.desk._full = lambda: len(process.desk.clients) >= 2
    process.desk.connect(Guest("ben", "sid-ben"), "address", {"name": "Ben"})
    with pytest.raises(Refused, match="too many people"):
        process.desk.connect(Guest("eve", "sid-eve"), "address", {"name": "Eve"})
    process.desk.disconnect(ann)
    process.desk.connect(Guest("eve", "sid-eve"), "address", {"name": "Eve"})


@pytest.mark.parametrize("character", ["\n", "\t", "\u202e", "\u2066", "\u2028"])
@pytest.mark.parametrize("field", ["name", "id"])
def test_no_name_breaks_a_line_or_turns_text_around(process: Process, field: str, character: str) -> None:
    with pytest.raises(Refused, match=f"U\\+{ord(character):04X}") as refused:
        process.desk.connect(Guest("eve", "sid-eve"), "address", {"name": "Eve", field: f"E{character}ve"})
    assert refused.value.code == "bad_request"
    assert refused.value.field == field
    process.desk.connect(Guest("eve", "sid-eve"), "address", {"name": "Eve", field: "\u0645\u0631\u064a\u0645 O'Neil"})


@pytest.mark.parametrize("auth", [None, {}, {"name": ""}, {"name": 7}, {"name": "x", "colour": "red"}, "Ann"])
def test_who_does_not_say_who_they_are_is_not_let_in(process: Process, auth: Any) -> None:
    with pytest.raises(Refused):
        process.desk.connect(Guest("eve", "sid-eve"), "address", auth)


def test_who_leaves_while_a_room_is_read_is_not_in_it_afterwards(process: Process) -> None:
    ben = process.guest("ben")
    process.ask(ben, "room:join", room="lobby")
    ben.closed = True
    process.desk.disconnect(ben)
    process.turn()
    assert ben not in process.rooms["lobby"].listeners
