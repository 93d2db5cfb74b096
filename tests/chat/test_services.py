"""What programs bring is bounded and answered as what clients bring."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from app.auth.grant import Grant, open_to
from app.chat import services
from app.chat.rate import Rates
from app.contract import NewJob, NewMessage, Person, Sender
from app.payload import Refused
from app.tasks import task
from tests import shapes
from tests.jobs.process import Process

MEMBER = Grant(Person("program", "Program"), ("*",))


@task(attempts=2)
def count(text: str) -> dict[str, str]:
    """Is asked for"""
    return {"text": text}


@pytest.fixture
def process(start: Callable[..., Process]) -> Process:
    return start({"count": count})


def send(process: Process, sender: str, key: str, address: str | None = "10.0.0.1", room: str = "lobby") -> Any:
    """A message, as acknowledged."""
    what = NewMessage(key=key, text=f"text {key}")
    return process.own.run(process.services.send(Person(sender, sender), address, room, what, MEMBER))


def request(process: Process, body: Any, task: str = "count", room: str = "lobby") -> dict[str, Any]:
    """What is answered over NATS."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return dict(json.loads(process.own.run(process.services.answer(room, task, data))))


BODY = {"key": "k", "args": {"text": "x"}, "sender": {"id": "ada", "name": "Ada"}}


def test_a_sender_may_send_as_fast_as_a_connection(process: Process) -> None:
    process.services._rates = Rates(2.0)
    for number in range(4):
        send(process, "ada", f"k{number}")
    with pytest.raises(Refused) as refused:
        send(process, "ada", "more")
    assert refused.value.code == "rate_limited"
    assert refused.value.retry_after
    send(process, "ben", "his own")


def test_an_address_may_send_ten_times_as_much(process: Process) -> None:
    process.services._rates = Rates(1.0)
    for number in range(20):
        send(process, f"sender {number}", "k")
    with pytest.raises(Refused, match="events a second"):
        send(process, "another", "k")
    send(process, "another", "k", "10.0.0.2")
    send(process, "over nats", "k", None)


def test_clients_hear_what_programs_write_in_order(process: Process) -> None:
    ann = process.guest("ann", "lobby")
    for number in range(3):
        send(process, "ada", f"k{number}")
    seqs = [data["seq"] for event, data in ann.received if event == "message:new"]
    assert seqs == [1, 2, 3]


def test_nothing_is_accepted_by_a_process_that_stops(process: Process) -> None:
    process.intake.draining = True
    with pytest.raises(Refused) as refused:
        send(process, "ada", "k")
    assert refused.value.code == "draining"
    assert request(process, BODY)["error"]["code"] == "draining"


@pytest.mark.parametrize("wish", [{"delay_s": 5.0}, {"callback": "https://hooks.example.org/"}])
def test_where_no_jobs_are_kept_none_is_delayed_or_called_back_about(process: Process, wish: dict[str, Any]) -> None:
    process.life.durable = False  # LEDGER=off
    ack = request(process, {**BODY, **wish})
    assert ack["error"]["code"] == "conflict"


def test_a_request_is_answered_with_an_ack(process: Process) -> None:
    ack = request(process, BODY)
    msgspec.convert(ack, shapes.Created, strict=True)
    again = request(process, BODY)
    assert (again["duplicate"], again["job"]["id"]) == (True, ack["job"]["id"])


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b"{}", b'{"key":"k"}', b'{"key":"k","sender":{"id":"","name":""}}']
)
def test_junk_is_answered_with_an_error(process: Process, body: bytes) -> None:
    ack = request(process, body)
    msgspec.convert(ack, shapes.Refusal, strict=True)
    assert ack["error"]["code"] == "bad_request"


def test_too_many_requests_at_once_are_told_to_come_again(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_REQUESTS", 1)

    async def both() -> list[dict[str, Any]]:
        data = [json.dumps({**BODY, "key": key}).encode() for key in "ab"]
        under_way = [process.spawn(process.services.answer("lobby", "count", each)) for each in data]
        return [json.loads(await each) for each in under_way]

    first, second = process.own.run(both())
    assert first["ok"]
    assert second["error"]["code"] == "busy"
    assert request(process, {**BODY, "key": "c"})["ok"]


def test_a_room_is_forgotten_in_time_and_goes_on_counting(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.rooms.MAX_IDLE_ROOMS", 10)
    for number in range(30):
        send(process, "ada", "k", None, f"room-{number}")
    assert len(list(process.rooms)) <= 11
    assert json.loads(bytes(send(process, "ada", "second", None, "room-0").message))["seq"] == 2


def test_a_page_of_the_room_has_its_jobs(process: Process) -> None:
    job = NewJob(key="k", task="count", args={"text": "x"})
    process.own.run(process.services.ask(Person("ada", "Ada"), None, "lobby", job))
    send(process, "ada", "m")
    page = process.own.run(process.services.page("lobby", 10, 10, open_to(Person("op", "Op"))))
    assert [message.seq for message in page.messages] == [1]
    assert not page.more


def test_names_that_turn_text_around_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        services.person_of(Sender("a\u202eb", "Ada"))
    assert refused.value.field == "sender.id"
