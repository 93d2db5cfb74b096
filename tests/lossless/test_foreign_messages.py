"""What nobody expects on the streams: dropped and counted, or kept as a dead letter; chat and the queue go on.

There is no worker here: the test is the worker, and publishes what ours never would.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig

from tests.faults.parts import Broker
from tests.guest import WAIT, Guest
from tests.lossless.evidence import figure, job, queue, ready, until
from tests.lossless.hands import ack, at, lane, publish, result, take
from tests.lossless.worker import Worker
from tests.web import Web

MOST_TRIES = 2  # deliveries of one job on the lane that the operator of this broker made


@pytest.fixture(scope="module")
def broker(parts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker of this module, on which the tests play the worker."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.close()


@pytest.fixture(scope="module")
def web(copy: Path, broker: Broker, ml_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process whose moody jobs go to the broker."""
    with moody_queued(copy, broker, ml_url, tmp_path_factory.mktemp("data")) as web:
        yield web


@contextmanager
def moody_queued(copy: Path, broker: Broker, ml_url: str, data: Path) -> Iterator[Web]:
    """A web process that is connected to this broker; what it looks for in messages stays off the queue."""
    with Web(data, root=copy, NATS_URL=f"nats://127.0.0.1:{broker.port}", ML_URL=ml_url, RATE_LIMIT="off") as web:
        until(lambda: ready(web.url), "the queue is connected")
        requests.put(f"{web.url}/api/flags/moody", json={"path": "queued"}, timeout=WAIT).raise_for_status()
        yield web


@pytest.fixture
def ann(web: Web, guests: Callable[..., Guest], room: str) -> Guest:
    """Ann, in her room; nothing is left of the tests before."""
    for each in letters(web):
        requests.delete(f"{web.url}/api/dead-letters/{each['id']}", timeout=WAIT).raise_for_status()
    guest = guests(web.url, "Ann")
    guest.join(room)
    return guest


@pytest.fixture
def dropped(web: Web) -> Callable[[str], float]:
    """How many outcomes have counted for nothing since the test began, by why."""

    def so_far(why: str) -> float:
        return figure(web.url, "spillway_outcomes_dropped_total", why=why)

    before = {why: so_far(why) for why in ("unknown job", "another attempt", "already final")}
    return lambda why: so_far(why) - before[why]


def letters(web: Web) -> list[dict[str, Any]]:
    """The list of dead letters."""
    return list(requests.get(f"{web.url}/api/dead-letters", timeout=WAIT).json()["dead_letters"])


def letter(web: Web, subject: str) -> dict[str, Any]:
    """The dead letter that came under this subject; waits for it."""
    found = until(lambda: [each for each in letters(web) if each.get("subject") == subject], f"{subject} is kept")
    assert len(found) == 1
    return dict(found[0])


def nothing_left(broker: Broker, stream: str) -> None:
    """Wait until the stream is empty."""

    async def messages(client: Client) -> int:
        return int((await client.jetstream().stream_info(stream)).state.messages)

    until(lambda: at(broker, messages) == 0, f"{stream} is empty")


def goes_on(ann: Guest, room: str, broker: Broker) -> None:
    """A job asked for now is answered, and people can write."""
    asked = ann.ask(room, "moody", mood="fine")
    assert take(broker, ack)["id"] == asked["id"]
    publish(broker, "results.moody", result(asked["id"], result={"mood": "fine"}))
    assert ann.final(asked["id"])["result"] == {"mood": "fine"}
    nothing_left(broker, "RESULTS")
    nothing_left(broker, "JOBS")
    ann.say(room, "We go on")


@pytest.mark.parametrize(
    "content",
    [
        b"{ this is no result",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        {"hello": "world"},
        {"job": "x", "attempt": 0, "run": "r", "state": "succeeded"},
        {"job": "x", "attempt": 1, "run": "r", "state": "perhaps"},
        {"job": "x", "attempt": 1, "run": "r", "state": "failed"},
    ],
    ids=["no JSON", "no text", "too deep", "no result", "attempt 0", "unknown state", "failed without an error"],
)
def test_a_result_nobody_can_read_is_kept_as_a_dead_letter(
    web: Web, broker: Broker, ann: Guest, room: str, content: Any
) -> None:
    publish(broker, "results.moody", content)

    kept = letter(web, "dead.RESULTS")

    sent = content.decode("utf-8", "replace") if isinstance(content, bytes) else json.dumps(content)
    assert (kept["kind"], kept["error"]["code"], kept["args"]) == ("message", "undecodable", sent[:65_536])
    assert kept["error"]["message"]
    goes_on(ann, room, broker)


@pytest.mark.parametrize("state", ["succeeded", "running", "cancelled"])
def test_a_result_for_an_unknown_job_is_dropped(
    web: Web, broker: Broker, ann: Guest, room: str, dropped: Callable[[str], float], state: str
) -> None:
    publish(broker, "results.moody", result(secrets.token_hex(13), state=state))

    goes_on(ann, room, broker)
    assert dropped("unknown job") == (state != "running")
    assert letters(web) == []


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_result_for_another_attempt_than_the_one_that_runs_is_dropped(
    web: Web, broker: Broker, ann: Guest, room: str, dropped: Callable[[str], float], attempt: int
) -> None:
    asked = ann.ask(room, "moody", mood="fine")
    take(broker, ack)
    away = {"code": "away", "message": "not there", "retryable": True}
    publish(broker, "results.moody", result(asked["id"], state="failed", error=away))
    assert take(broker, ack)["attempt"] == 2

    publish(broker, "results.moody", result(asked["id"], attempt=attempt, result={"mood": "wrong"}))
    until(lambda: dropped("another attempt") == 1, "it is dropped")

    publish(broker, "results.moody", result(asked["id"], attempt=2, result={"mood": "right"}))
    assert ann.final(asked["id"])["result"] == {"mood": "right"}
    assert letters(web) == []


def test_of_two_results_for_one_job_the_first_is_shown_and_the_second_counted(
    web: Web, broker: Broker, ann: Guest, room: str, dropped: Callable[[str], float]
) -> None:
    asked = ann.ask(room, "moody", mood="fine")
    take(broker, ack)
    for mood in ("first", "second"):
        publish(broker, "results.moody", result(asked["id"], result={"mood": mood}))

    until(lambda: dropped("already final") == 1, "the second is dropped")

    assert [each["result"] for each in ann.all("job:update", id=asked["id"], state="succeeded")] == [{"mood": "first"}]
    assert job(web.url, asked["id"])["result"] == {"mood": "first"}
    goes_on(ann, room, broker)


def test_a_result_that_does_not_fit_ends_the_job_as_a_dead_letter(
    web: Web, broker: Broker, ann: Guest, room: str
) -> None:
    asked = ann.ask(room, "moody", mood="fine")
    take(broker, ack)
    publish(broker, "results.moody", result(asked["id"], result={"mood": 7}))

    assert ann.final(asked["id"])["error"]["code"] == "result_invalid"

    (kept,) = letters(web)
    assert (kept["id"], kept["error"]["code"]) == (asked["id"], "result_invalid")
    goes_on(ann, room, broker)


def test_a_result_under_another_tasks_subject_counts_for_its_job(
    web: Web, broker: Broker, ann: Guest, room: str
) -> None:
    """The job is what counts: a worker that mixes up subjects breaks nobody's room."""
    asked = ann.ask(room, "moody", mood="fine")
    take(broker, ack)
    publish(broker, "results.sleepy", result(asked["id"], result={"mood": "fine"}))
    assert ann.final(asked["id"])["state"] == "succeeded"


def test_a_job_that_a_worker_terminates_becomes_a_dead_letter(web: Web, broker: Broker, ann: Guest, room: str) -> None:
    asked = ann.ask(room, "moody", mood="fine")
    until(lambda: (queue(web.url) or {})["outbox"] == 0, "the broker has it")
    take(broker, lambda message: message.term())

    assert ann.final(asked["id"])["error"]["code"] == "terminated"

    (kept,) = letters(web)
    assert kept["id"] == asked["id"]
    nothing_left(broker, "JOBS")
    goes_on(ann, room, broker)


def test_a_foreign_message_that_a_worker_terminates_leaves_nothing_behind(
    web: Web, broker: Broker, ann: Guest, room: str
) -> None:
    publish(broker, "jobs.ml.moody", b"{ this is no job")
    at(broker, _terminate_next)
    nothing_left(broker, "JOBS")
    nothing_left(broker, "RESULTS")
    goes_on(ann, room, broker)


async def _terminate_next(client: Client) -> None:
    (message,) = await (await lane(client)).fetch(1, timeout=WAIT)
    await message.term()
    await client.flush()


# On a broker whose operator lets a job be given out only twice


@pytest.fixture
def stingy(own_broker: Broker) -> Broker:
    """A broker with a lane of its operator's own making."""

    async def make(client: Client) -> None:
        stream = client.jetstream()
        work = RetentionPolicy.WORK_QUEUE
        await stream.add_stream(StreamConfig(name="JOBS", subjects=["jobs.*.*"], retention=work))
        config = ConsumerConfig(
            durable_name="ml",
            filter_subject="jobs.ml.>",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=0.2,
            max_deliver=MOST_TRIES,
        )
        await stream.add_consumer("JOBS", config)

    at(own_broker, make)
    return own_broker


def test_a_consumer_that_would_give_jobs_up_unseen_is_updated(
    stingy: Broker, copy: Path, ml_url: str, guests: Callable[..., Guest], room: str, tmp_path: Path
) -> None:
    with moody_queued(copy, stingy, ml_url, tmp_path / "data") as web:
        ann = guests(web.url, "Ann")
        ann.join(room)
        goes_on(ann, room, stingy)

    found = at(stingy, lambda client: client.jetstream().consumer_info("JOBS", "ml"))
    assert found.config.max_deliver in (None, -1)


def test_a_job_that_a_foreign_worker_gives_back_many_times_is_no_poison(
    copy: Path, web: Web, broker: Broker, ann: Guest, room: str, tmp_path: Path
) -> None:
    """It does not serve this task, as docs/workers.md bids it say: nothing began, so nothing died."""
    asked = ann.ask(room, "moody", mood="fine")
    for _ in range(8):
        assert take(broker, lambda message: message.nak())["id"] == asked["id"]
    with Worker(copy, tmp_path / "worker.log", NATS_URL=f"nats://127.0.0.1:{broker.port}"):
        final = ann.final(asked["id"])
    assert (final["state"], final["attempt"]) == ("succeeded", 1)
