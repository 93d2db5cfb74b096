"""An outcome is sent until it is taken: signed, to the address that was checked, a few at a time."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
import trustme
from sqlalchemy import select

from app.answers.http import LetterView
from app.callbacks import kept
from app.callbacks.callbacks import AT_ONCE_TO_A_HOST, GIVE_UP_SECONDS, TRY_SECONDS, Callbacks
from app.callbacks.signature import key_of, signature
from app.due import Due
from app.ids import new_id
from app.jobs import dead_letters, ledger
from app.jobs.job import Job
from app.outgoing import Outgoing
from app.settings import Settings
from app.store.operation import Operation, Rows
from app.store.schema import callbacks as table
from app.store.store import Store
from tests.own_loop import OwnLoop, wall_clock_of
from tests.receiver import Receiver

SECRET = "whsec_" + "c2VjcmV0" * 5
OTHER_LOOPBACK = "127.0.0.2"  # Linux answers on all of 127.0.0.0/8


class Put(Operation):
    """The outcome of a job is committed."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def prepare(self, rows: Rows) -> None:
        """With what is to be called back."""
        kept.record(rows, self.job)


class Sending:
    """Callbacks of one process on a real store; a test says where names lead."""

    def __init__(self, own: OwnLoop, store: Store) -> None:
        self.own, self.store = own, store
        self.authority = trustme.CA()
        self.names: dict[str, list[str]] = {}
        self.looked_up: list[str] = []
        self.counted: list[str] = []
        self.published: list[tuple[str, dict[str, str], bytes]] = []
        self.hosts: tuple[str, ...] = ("hooks.test", OTHER_LOOPBACK, "127.0.0.3")
        self.begin()

    def begin(self) -> None:
        """A process begins with what the last one left."""

        async def make() -> Callbacks:
            settings = Settings(callback_hosts=self.hosts, callback_secret=SECRET)
            outgoing = Outgoing(self, self._look_up)  # type: ignore[arg-type]  # as much of it as is needed
            due = Due(self.loop)
            return Callbacks(settings, self.store, self.loop, due, outgoing, self._publish, self.counted.append)

        self.callbacks = self.own.run(make())
        self.callbacks.expect()

    # What `Outgoing` needs of app/concurrency

    @property
    def loop(self) -> Any:
        """The test's."""
        return self.own.loop

    def os_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """A real one."""
        self.own.os_thread(function, *args)

    def tls(self) -> ssl.SSLContext:
        """It trusts the test's authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def _look_up(self, host: str, port: int, *_: Any) -> list[Any]:
        self.looked_up.append(host)
        return [(2, 1, 6, "", (address, port)) for address in self.names.get(host, [host])]

    async def _publish(self, subject: str, headers: dict[str, str], body: bytes) -> str | None:
        self.published.append((subject, headers, body))
        return None

    # What a test does with it

    def put(self, url: str, **values: Any) -> Job:
        """A job whose outcome is to be sent there."""
        now = time.time()
        about: dict[str, Any] = {"state": "succeeded", "result": '{"n":1}', "ms": 1234.5, "finished": now, **values}
        job = Job(
            n=1, id=new_id(), room="r", task="t", args="{}", path="simple", attempts=1, at=now, deadline=now,
            delivered=True, callback=url, **about,
        )  # fmt: skip
        self.store.add(Put(job))
        self.own.run(self.store.settled())
        self.callbacks.expect()
        return job

    def rows(self) -> list[kept.Callback]:
        """What the database has."""
        return self.own.run(
            self.store.read(lambda c: [kept.Callback(*row) for row in c.execute(select(table).order_by(table.c.id))])
        )

    def until_counted(self, *outcomes: str) -> None:
        """Run until tries ended like this."""
        self.own.until(lambda: len(self.counted) >= len(outcomes))
        assert self.counted == list(outcomes)

    def pass_time(self, seconds: float) -> None:
        """Both clocks go on."""
        self.own.clock.ahead += seconds


@pytest.fixture
def sending(own: OwnLoop, store: Store) -> Iterator[Sending]:
    with wall_clock_of(lambda: own.clock.ahead):
        made = Sending(own, store)
        yield made
        made.callbacks.stop()
        own.rounds(3)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(address=OTHER_LOOPBACK) as made:
        yield made


def test_the_final_job_is_posted_once_with_its_headers(sending: Sending, receiver: Receiver) -> None:
    job = sending.put(f"{receiver.url}/done?x=1", attempt=2)
    sending.until_counted("taken")
    (call,) = receiver.calls
    assert call.path == "/done?x=1"
    body = json.loads(call.body)
    assert (body["id"], body["state"], body["result"], body["attempt"]) == (job.id, "succeeded", {"n": 1}, 2)
    headers = call.headers
    assert headers["content-type"] == "application/json"
    assert (headers["spillway-job"], headers["spillway-attempt"]) == (job.id, "2")
    assert (headers["spillway-duration-seconds"], headers["spillway-status"]) == ("1.234", "succeeded")
    assert headers["webhook-id"] == f"{job.id}.2"
    stamp = int(headers["webhook-timestamp"])
    assert abs(stamp - time.time()) < 60
    assert headers["webhook-signature"] == signature(key_of(SECRET), f"{job.id}.2", stamp, call.body)
    assert sending.rows() == []


def test_what_is_not_taken_is_sent_again_under_the_same_id(sending: Sending, receiver: Receiver) -> None:
    receiver.answer = lambda call: 503 if len(receiver.calls) < 3 else 200
    sending.put(receiver.url)
    sending.until_counted("failed")
    assert sending.rows()[0].tries == 1
    for tries in (2, 3):
        sending.pass_time(2.0**tries)
        sending.own.until(lambda tries=tries: len(sending.counted) == tries)  # type: ignore[misc]
    assert sending.counted == ["failed", "failed", "taken"]
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1
    assert len({call.body for call in receiver.calls}) == 1
    assert len({call.headers["webhook-timestamp"] for call in receiver.calls}) == 3
    for call in receiver.calls:
        stamp = int(call.headers["webhook-timestamp"])
        assert call.headers["webhook-signature"] == signature(
            key_of(SECRET), call.headers["webhook-id"], stamp, call.body
        )


def test_410_ends_it_for_good(sending: Sending, receiver: Receiver) -> None:
    receiver.answer = lambda call: 410
    sending.put(receiver.url)
    sending.until_counted("gone")
    assert sending.rows() == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(sending: Sending, receiver: Receiver, status: int) -> None:
    receiver.answer = lambda call: status
    sending.put(f"{receiver.url}/done")
    sending.until_counted("failed")
    assert [call.path for call in receiver.calls] == ["/done"]
    assert sending.rows()[0].error == f"it answered {status}"


def test_a_host_that_moves_to_an_address_that_is_not_allowed_is_not_called(
    sending: Sending, receiver: Receiver
) -> None:
    certificate = sending.authority.issue_cert("hooks.test")
    with (
        Receiver(lambda call: 503, certificate, OTHER_LOOPBACK) as receiver,
        Receiver(certificate=certificate, port=receiver.port) as inside,
    ):
        sending.names["hooks.test"] = [OTHER_LOOPBACK]
        sending.put(f"https://hooks.test:{receiver.port}/done")
        sending.until_counted("failed")
        assert receiver.calls[0].headers["host"] == f"hooks.test:{receiver.port}"

        sending.names["hooks.test"] = ["127.0.0.1"]
        sending.pass_time(5)
        sending.own.until(lambda: len(sending.counted) == 2)
        assert sending.looked_up == ["hooks.test", "hooks.test"]
        assert (len(receiver.calls), inside.calls) == (1, [])
        assert sending.rows()[0].error == "hooks.test is at 127.0.0.1, which may not be called"

        sending.names["hooks.test"] = [OTHER_LOOPBACK, "127.0.0.1"]  # nor where only one of its addresses is
        sending.pass_time(10)
        sending.own.until(lambda: len(sending.counted) == 3)
        assert (len(receiver.calls), inside.calls) == (1, [])


def test_tls_is_spoken_with_the_name_to_the_address_that_was_checked(sending: Sending) -> None:
    for name, outcome in (("hooks.test", "taken"), ("stranger.test", "failed")):
        with Receiver(certificate=sending.authority.issue_cert(name), address=OTHER_LOOPBACK) as secured:
            sending.names["hooks.test"] = [OTHER_LOOPBACK]
            sending.counted.clear()
            sending.put(f"https://hooks.test:{secured.port}/done")
            sending.until_counted(outcome)
            assert [call.headers["host"] for call in secured.calls] == [f"hooks.test:{secured.port}"][
                : outcome == "taken"
            ]


def test_who_does_not_answer_is_given_a_quarter_of_a_minute(sending: Sending, receiver: Receiver) -> None:
    answered = threading.Event()
    receiver.answer = lambda call: 200 if answered.wait(30) else 500
    sending.put(receiver.url)
    sending.own.until(lambda: receiver.calls)
    sending.own.rounds(10)
    assert sending.counted == []
    sending.pass_time(TRY_SECONDS)
    sending.until_counted("failed")
    answered.set()
    assert "did not answer" in (sending.rows()[0].error or "")


def test_after_a_day_it_is_a_dead_letter_that_can_be_sent_again(sending: Sending, receiver: Receiver) -> None:
    receiver.answer = lambda call: 500
    url = f"{receiver.url}/secret-place"
    job = sending.put(url)
    sending.until_counted("failed")
    while "given_up" not in sending.counted:
        tries = len(sending.counted)
        sending.pass_time(3600)
        sending.own.until(lambda tries=tries: len(sending.counted) > tries)  # type: ignore[misc]
    assert 20 < len(sending.counted) < 30
    assert sending.rows()[0].due is None
    sending.pass_time(GIVE_UP_SECONDS)
    (letter,) = sending.own.run(sending.store.read(dead_letters.every))
    assert (letter["id"], letter["kind"], letter["job"], letter["task"]) == (f"{job.id}.1", "callback", job.id, "t")
    assert (letter["error"], letter["host"]) == (
        {"code": "callback_failed", "message": "it answered 500"},
        OTHER_LOOPBACK,
    )
    assert "secret-place" not in json.dumps(letter)
    msgspec.convert(letter, LetterView, strict=True)
    assert sending.own.run(sending.store.read(dead_letters.count)) == 1
    assert sending.own.run(sending.store.read(lambda c: dead_letters.look_up(c, job.id[:12]))) == letter

    receiver.answer = lambda call: 200
    again = sending.own.run(sending.callbacks.replay(letter["id"]))
    assert again is not None
    assert json.loads(bytes(again))["id"] == job.id
    sending.own.until(lambda: sending.counted[-1] == "taken")
    assert sending.rows() == []
    assert sending.own.run(sending.callbacks.replay(letter["id"])) is None


def test_when_the_clock_is_set_what_waits_moves_with_it(sending: Sending, receiver: Receiver) -> None:
    receiver.answer = lambda call: 500
    sending.put(receiver.url)
    sending.until_counted("failed")
    (before,) = sending.rows()
    sending.own.run(sending.store.change(lambda c: ledger.shift_clock(c, -3600.0)))
    (after,) = sending.rows()
    assert (after.due, after.since) == ((before.due or 0) - 3600, before.since - 3600)


def test_a_dead_letter_can_be_dropped(sending: Sending, receiver: Receiver) -> None:
    receiver.answer = lambda call: 500
    job = sending.put(receiver.url)
    sending.until_counted("failed")
    waiting = sending.own.run(sending.store.change(lambda c: dead_letters.drop(c, f"{job.id}.1")))
    assert not waiting  # one that is still tried is no dead letter
    sending.pass_time(GIVE_UP_SECONDS)
    sending.own.until(lambda: sending.counted[-1] == "given_up")
    assert sending.own.run(sending.store.change(lambda c: dead_letters.drop(c, f"{job.id}.1")))
    assert sending.rows() == []


def test_a_slow_host_does_not_hold_up_the_others(sending: Sending) -> None:
    go = threading.Event()
    with ExitStack() as stack:
        slow = stack.enter_context(Receiver(lambda call: 200 if go.wait(30) else 500, address=OTHER_LOOPBACK))
        quick = stack.enter_context(Receiver(address="127.0.0.3"))
        for _ in range(20):
            sending.put(slow.url)
        sending.put(quick.url)
        sending.until_counted("taken")
        assert (len(quick.calls), len(slow.calls)) == (1, AT_ONCE_TO_A_HOST)
        go.set()
        sending.own.until(lambda: len(sending.counted) == 21)
        assert sending.counted == ["taken"] * 21


def test_the_next_process_sends_what_the_last_one_left(sending: Sending, receiver: Receiver) -> None:
    held = threading.Event()
    receiver.answer = lambda call: 200 if held.wait(30) else 500
    sending.put(receiver.url)
    sending.own.until(lambda: receiver.calls)
    sending.callbacks.stop()  # it was killed before it saw the answer
    held.set()
    assert len(sending.rows()) == 1

    sending.begin()
    sending.until_counted("taken")
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1
    assert sending.rows() == []


def test_a_subject_is_published_to_with_the_same_headers(sending: Sending) -> None:
    job = sending.put("nats:hooks.done")
    sending.until_counted("taken")
    ((subject, headers, body),) = sending.published
    assert subject == "hooks.done"
    assert headers["webhook-id"] == f"{job.id}.1"
    assert headers["webhook-signature"].startswith("v1,")
    assert json.loads(body)["id"] == job.id
