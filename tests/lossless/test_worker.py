"""What a worker does with a job, whatever the web process is: here the test takes its place."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.compare.system import ROOT
from tests.faults.parts import Broker
from tests.lossless.evidence import Gate, until
from tests.lossless.hands import at, lane_figure, publish, results
from tests.lossless.worker import Worker

Start = Callable[..., Worker]


@pytest.fixture
def start(copy: Path, tmp_path: Path, broker: Broker) -> Start:
    """Starts a worker; `root` is the checkout whose tasks it has."""

    def start(name: str = "one", root: Path = copy, **settings: str) -> Worker:
        return Worker(root, tmp_path / f"{name}.log", NATS_URL=f"nats://127.0.0.1:{broker.port}", **settings)

    return start


def job(task: str, seconds: float = 900.0, **args: Any) -> dict[str, Any]:
    """A job as a web process publishes it, with so many seconds to go."""
    deadline = datetime.fromtimestamp(time.time() + seconds, UTC).isoformat(timespec="milliseconds")
    return {"id": secrets.token_hex(13), "attempt": 1, "task": task, "room": "lobby", "args": args,
            "deadline": deadline.replace("+00:00", "Z")}  # fmt: skip


def test_a_job_past_its_deadline_is_answered_and_not_run(start: Start, broker: Broker, gate: Gate) -> None:
    gate.open()
    with start() as worker:
        worker.ready()
        late, live = job("single", -1.0, gate=str(gate), number=1), job("single", gate=str(gate), number=2)
        publish(broker, "jobs.ml.single", late)
        publish(broker, "jobs.ml.single", live)
        by_job = {each["job"]: each for each in results(broker, 2)}
    assert (by_job[late["id"]]["state"], by_job[late["id"]]["error"]["code"]) == ("failed", "deadline")
    assert by_job[live["id"]]["state"] == "succeeded"
    assert gate.begun() == [2]


@pytest.mark.slow
def test_a_job_that_it_does_not_know_waits_for_a_worker_that_does(start: Start, broker: Broker, gate: Gate) -> None:
    gate.open()
    with start("older", root=ROOT) as older:
        older.ready()
        published = job("single", gate=str(gate), number=7)
        publish(broker, "jobs.ml.single", published)
        until(lambda: lane_figure(broker, "num_redelivered"), "it was given back and offered again")
        with start("newer") as newer:
            newer.ready()
            (result,) = results(broker, 1)
    assert (result["job"], result["state"], result["result"]) == (published["id"], "succeeded", {"number": 7})


def test_a_job_that_nobody_knows_is_over_at_its_deadline(start: Start, broker: Broker) -> None:
    with start() as worker:
        worker.ready()
        publish(broker, "jobs.ml.unheard-of", job("unheard-of", 1.0))
        (result,) = results(broker, 1)
    assert result["error"]["code"] == "deadline"


def test_a_worker_that_was_starved_runs_a_job_once(start: Start, broker: Broker, gate: Gate) -> None:
    """Its heartbeats stop, so the broker gives the job again: to the run that is under way."""
    with start(ACK_WAIT="1") as worker:
        worker.ready()
        publish(broker, "jobs.ml.single", job("single", gate=str(gate), number=1))
        until(gate.begun, "it runs")
        os.kill(worker.process.pid, signal.SIGSTOP)
        until(lambda: lane_figure(broker, "num_redelivered"), "the broker gave it again")
        os.kill(worker.process.pid, signal.SIGCONT)
        gate.open()
        (result,) = results(broker, 1)
        until(lambda: not lane_figure(broker, "num_ack_pending"), "every delivery of it is acknowledged")
    assert result["state"] == "succeeded"
    assert gate.begun() == [1]


def test_what_nobody_can_read_is_kept_and_the_next_job_runs(start: Start, broker: Broker, gate: Gate) -> None:
    gate.open()
    with start() as worker:
        worker.ready()
        publish(broker, "jobs.ml.single", b"{ this is no job")
        publish(broker, "jobs.ml.single", job("single", gate=str(gate), number=1))
        (result,) = results(broker, 1)

        async def dead(client: Any) -> tuple[bytes, dict[str, str]]:
            message = await client.jetstream().get_msg("DEAD", subject="dead.JOBS", direct=False)
            return message.data, dict(message.headers)

        data, headers = at(broker, dead)
    assert result["state"] == "succeeded"
    assert data == b"{ this is no job"
    assert headers["Spillway-Subject"] == "jobs.ml.single"


def test_a_result_past_the_bound_is_a_failure_and_the_lane_goes_on(start: Start, broker: Broker) -> None:
    with start() as worker:
        worker.ready()
        publish(broker, "jobs.ml.bulky", job("bulky", megabytes=6))
        publish(broker, "jobs.ml.bulky", job("bulky", megabytes=0))
        states = [(each["state"], each.get("error", {}).get("code")) for each in results(broker, 2)]
    assert sorted(states) == [("failed", "result_too_large"), ("succeeded", None)]
