"""`streams plan|apply`, streams of an operator's own making, and brokers that let in only who proves who they are."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
import requests
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StreamConfig

from app.tasks import discover
from tests.command import command
from tests.faults.parts import Broker
from tests.guest import WAIT, Guest
from tests.lossless.evidence import ready, until
from tests.lossless.secured import Secured, with_creds, with_tls
from tests.lossless.worker import Worker
from tests.web import Web

LANES = sorted({task.lane for task in discover().values()})
JOBS = [f"consumer JOBS/{lane}" for lane in LANES]
ALL = [
    (what, "create")
    for what in ("stream JOBS", "stream RESULTS", "stream DEAD", *JOBS, "consumer RESULTS/chat", "consumer DEAD/ledger")
]


def streams(verb: str, url: str, **settings: str) -> tuple[int, list[tuple[str, str]], str]:
    """Exit code, steps as (what, action), and what was said besides, of `python -m app streams`."""
    done = command("streams", *verb.split(), "--json", NATS_URL=url, **settings)
    steps = json.loads(done.stdout) if done.stdout else []
    return done.returncode, [(step["what"], step["action"]) for step in steps], done.stderr + json.dumps(steps)


@pytest.fixture
def url(broker: Broker) -> str:
    """The address of an empty broker."""
    return f"nats://127.0.0.1:{broker.port}"


def at(url: str, do: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
    """Do something to the streams, as their operator."""

    async def connected() -> Any:
        client = await nats.connect(url)
        try:
            return await do(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(connected())


def test_plan_lists_what_is_absent_apply_makes_it_and_then_there_is_nothing_to_do(url: str) -> None:
    assert streams("plan", url)[:2] == (1, ALL)
    assert streams("plan", url)[:2] == (1, ALL)  # planning changes nothing
    assert streams("apply", url)[:2] == (0, ALL)
    assert streams("plan", url)[:2] == (0, [])
    assert streams("apply", url)[:2] == (0, [])


def test_other_limits_are_changed_and_said(url: str) -> None:
    streams("apply", url)
    more = {"JOBS_MAX_MSGS": "5000", "ACK_WAIT": "3"}

    code, steps, words = streams("plan", url, **more)

    assert (code, steps) == (1, [(what, "update") for what in ("stream JOBS", *JOBS)])
    assert "max_msgs is 1000000, should be 5000" in words
    assert streams("apply", url, **more)[0] == 0
    assert streams("plan", url, **more)[:2] == (0, [])
    assert at(url, lambda stream: stream.stream_info("JOBS")).config.max_msgs == 5000


def test_another_retention_is_left_to_be_done_by_hand_and_nothing_in_it_is_touched(url: str) -> None:
    async def make(stream: JetStreamContext) -> None:
        await stream.add_stream(StreamConfig(name="JOBS", subjects=["jobs.*.*"], retention=RetentionPolicy.LIMITS))
        await stream.publish("jobs.ml.triage", b"precious")

    at(url, make)

    code, steps, words = streams("apply", url)

    assert code == 1
    assert ("stream JOBS", "by hand") in steps
    assert "retention is limits, should be workqueue" in words
    info = at(url, lambda stream: stream.stream_info("JOBS"))
    assert (info.state.messages, info.config.retention) == (1, RetentionPolicy.LIMITS)


def test_what_an_operator_sets_besides_is_accepted_and_kept(url: str) -> None:
    streams("apply", url)

    async def adorn(stream: JetStreamContext) -> None:
        config = (await stream.stream_info("JOBS")).config
        config.description, config.metadata = "Jobs of the clinic", {"owner": "ops"}
        await stream.update_stream(config)

    at(url, adorn)

    assert streams("plan", url)[:2] == (0, [])
    assert at(url, lambda stream: stream.stream_info("JOBS")).config.description == "Jobs of the clinic"


def test_a_prefix_names_streams_of_its_own(url: str) -> None:
    streams("apply", url)

    code, steps, _ = streams("plan", url, NATS_PREFIX="clinic")

    assert (code, len(steps)) == (1, len(ALL))
    assert {("stream CLINIC_JOBS", "create"), ("consumer CLINIC_JOBS/ml", "create")} <= set(steps)
    assert streams("apply", url, NATS_PREFIX="clinic")[0] == 0
    assert streams("plan", url, NATS_PREFIX="clinic")[:2] == (0, [])
    info = at(url, lambda stream: stream.stream_info("CLINIC_JOBS"))
    assert info.config.subjects == ["clinic.jobs.*.*"]


@pytest.mark.parametrize("settings", [{}, {"NATS_PREFIX": "clinic"}], ids=["plain", "prefixed"])
def test_web_process_and_worker_work_on_streams_made_before_them(
    url: str, copy: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    streams("apply", url, **settings)
    answers(url, copy, tmp_path, settings)


def answers(url: str, copy: Path, tmp_path: Path, settings: dict[str, str]) -> None:
    """A web process and a worker with these settings answer a queued job."""
    with (
        Web(tmp_path, root=copy, NATS_URL=url, DEFAULT_PATH="queued", **settings) as web,
        Worker(copy, tmp_path / "worker.log", NATS_URL=url, **settings) as worker,
    ):
        until(lambda: ready(web.url), "the queue is connected")
        worker.ready()
        ann = Guest(web.url, "Ann")
        ann.join("lobby")
        asked = ann.ask("lobby", "moody", mood="fine")
        final = ann.final(asked["id"])
        assert (final["path"], final["state"]) == ("queued", "succeeded")
        ann.close()


FOREIGN = {
    "JOBS_STREAM": "PLATFORM_JOBS",
    "RESULTS_STREAM": "PLATFORM_RESULTS",
    "JOBS_CONSUMER": "team-{lane}",
    "RESULTS_CONSUMER": "team-answers",
    "MAX_WAITING": "20",
    "MAX_ACK_PENDING": "2000",
}


def test_web_process_and_worker_work_on_streams_that_somebody_else_made_and_named(
    url: str, copy: Path, tmp_path: Path
) -> None:
    async def make(stream: JetStreamContext) -> None:
        work: dict[str, Any] = {"retention": RetentionPolicy.WORK_QUEUE, "duplicate_window": 120}
        await stream.add_stream(StreamConfig(name="PLATFORM_JOBS", subjects=["jobs.*.*"], **work))
        await stream.add_stream(StreamConfig(name="PLATFORM_RESULTS", subjects=["results.*"], **work))

    at(url, make)
    answers(url, copy, tmp_path, FOREIGN)
    there = at(url, lambda stream: stream.consumers_info("PLATFORM_JOBS"))
    assert {"team-ml", "team-heavy"} <= {each.name for each in there}
    at(url, lambda stream: stream.consumer_info("PLATFORM_RESULTS", "team-answers"))


def test_plan_says_which_number_is_too_small_for_what_is_to_be_served_and_why(url: str) -> None:
    code, steps, words = streams("plan --workers 200 --concurrency 8", url, **FOREIGN)

    assert code == 1
    assert ("consumer PLATFORM_JOBS/team-ml", "create") in steps
    assert ("consumer PLATFORM_JOBS/team-ml", "by hand") in steps
    assert "MAX_ACK_PENDING=2000 is too small, 3200 is needed: 200 workers run 8 jobs each at once" in words
    assert "MAX_WAITING=20 is too small, 600 is needed: 200 workers keep up to 3 requests open each" in words


@pytest.mark.slow
def test_a_consumer_that_is_too_small_is_named_beside_the_number_that_is_needed(url: str) -> None:
    assert streams("apply", url, **FOREIGN)[0] == 0
    assert streams("plan --workers 6 --concurrency 8", url, **FOREIGN)[:2] == (0, [])
    enough = FOREIGN | {"MAX_WAITING": "600", "MAX_ACK_PENDING": "3200"}
    _, steps, words = streams("plan --workers 200 --concurrency 8", url, **enough)
    assert ("consumer PLATFORM_JOBS/team-ml", "update") in steps
    assert "max_ack_pending is 2000, should be 3200, " in words
    assert "and 2000 is too small: 200 workers" in words


# Brokers that ask who one is


@pytest.fixture(params=[with_creds, pytest.param(with_tls, marks=pytest.mark.slow)], ids=["creds", "tls"])
def secured(request: pytest.FixtureRequest, parts: None, tmp_path: Path) -> Iterator[Secured]:
    """Each of them."""
    broker = request.param(tmp_path)
    yield broker
    broker.close()


def test_commands_web_process_and_worker_get_in_with_what_the_broker_demands(
    secured: Secured, copy: Path, tmp_path: Path
) -> None:
    assert streams("plan", secured.url, **secured.environment)[:2] == (1, ALL)
    assert streams("apply", secured.url, **secured.environment)[0] == 0
    answers(secured.url, copy, tmp_path, secured.environment)


def test_who_cannot_prove_who_they_are_is_told_and_chat_goes_on(secured: Secured, copy: Path, tmp_path: Path) -> None:
    code, steps, words = streams("plan", secured.url)
    assert (code, steps) == (1, [])
    assert "cannot be reached" in words

    with (
        Web(tmp_path, root=copy, NATS_URL=secured.url, DEFAULT_PATH="queued") as web,
        Worker(copy, tmp_path / "worker.log", NATS_URL=secured.url) as worker,
    ):
        told = re.compile("the broker (cannot be reached|refuses)")
        until(lambda: told.search(web.log.read_text()), "the web process says what is wrong")
        until(lambda: told.search(worker.log.read_text()), "the worker says what is wrong")
        answer = requests.get(f"{web.url}/readyz", timeout=WAIT)
        assert (answer.status_code, answer.json()["missing"]) == (503, ["queue"])
        assert requests.get(f"{web.url}/livez", timeout=WAIT).ok
        ann = Guest(web.url, "Ann")
        ann.join("lobby")
        assert ann.say("lobby", "Hello")["seq"] == 1
        assert ann.ask("lobby", "moody", mood="fine")["state"] == "accepted"
        ann.close()
        assert worker.stop() == 0
