"""Stopping loses nothing: what is short finishes, what is long goes to the next start, and no attempt is used up."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from tests.faults.parts import Broker
from tests.guest import Guest
from tests.lossless.evidence import Gate, job, ready, until
from tests.lossless.worker import Worker
from tests.web import Web

Come = Callable[..., Guest]


def test_a_web_process_told_to_stop_says_so_finishes_what_is_short_and_refuses_what_is_new(
    copy: Path, tmp_path: Path, gate: Gate, guests: Come
) -> None:
    other = Gate(tmp_path / "other")
    with Web(tmp_path, root=copy, DRAIN_SECONDS="4") as web:
        ann = guests(web.url, "Ann")
        ann.join("lobby")
        short, long = (ann.ask("lobby", "single", gate=str(each), number=1) for each in (gate, other))
        until(lambda: gate.begun() and other.begun(), "both run")

        web.process.send_signal(signal.SIGTERM)
        assert ann.saw("server:draining")["seconds"] == 4
        for event, data in (
            ("message:send", {"text": "Hello"}),
            ("job:create", {"task": "moody", "args": {"mood": "x"}}),
        ):
            error = ann.refused(event, {"room": "lobby", "key": "k", **data})
            assert (error["code"], error["retry_after"] > 0) == ("draining", True)
        gate.open()
        assert ann.final(short["id"])["state"] == "succeeded"
        assert web.stop() == 0

        web.start()
        again = guests(web.url, "Ann")
        again.join("lobby", after=0)
        assert again.say("lobby", "Hello", key="k")["seq"] == 1
        other.open()
        final = again.final(long["id"])
        assert (final["state"], final["attempt"]) == ("succeeded", 1)
        assert len(other.begun()) == 2
        assert len(gate.begun()) == 1
    assert "Traceback" not in web.log.read_text()


def test_what_waits_for_a_place_when_it_is_told_to_stop_runs_after_the_next_start(
    copy: Path, tmp_path: Path, gate: Gate, guests: Come
) -> None:
    with Web(tmp_path, root=copy, DRAIN_SECONDS="0", MAX_INFLIGHT="1") as web:
        ann = guests(web.url, "Ann")
        ann.join("lobby")
        asked = [ann.ask("lobby", "single", gate=str(gate), number=number)["id"] for number in range(5)]
        until(gate.begun, "one runs")
        assert web.stop() == 0
        gate.open()

        web.start()
        until(lambda: all(job(web.url, id)["state"] == "succeeded" for id in asked), "all are done")
        assert [job(web.url, id)["attempt"] for id in asked] == [1] * 5


def test_a_worker_told_to_stop_gives_back_what_it_cannot_finish_and_another_finishes_it(
    copy: Path, tmp_path: Path, broker: Broker, gate: Gate, guests: Come
) -> None:
    url = f"nats://127.0.0.1:{broker.port}"
    settings = {"NATS_URL": url, "DRAIN_SECONDS": "1", "ACK_WAIT": "60"}  # nothing comes back by itself in time
    with Web(tmp_path, root=copy, DEFAULT_PATH="queued", **settings) as web:
        until(lambda: ready(web.url), "the queue is connected")
        ann = guests(web.url, "Ann")
        ann.join("lobby")
        with Worker(copy, tmp_path / "first.log", **settings) as first:
            first.ready()
            asked = ann.ask("lobby", "single", gate=str(gate))
            until(gate.begun, "it runs")
            assert first.stop() == 0
        ann.saw("job:update", id=asked["id"], state="retrying")

        with Worker(copy, tmp_path / "second.log", **settings) as second:
            second.ready()
            until(lambda: len(gate.begun()) == 2, "it runs again")
            gate.open()
            final = ann.final(asked["id"])
        assert (final["state"], final["attempt"]) == ("succeeded", 2)
        assert "Traceback" not in first.log.read_text()


def test_a_worker_told_to_stop_finishes_what_is_short(
    copy: Path, tmp_path: Path, broker: Broker, gate: Gate, guests: Come
) -> None:
    url = f"nats://127.0.0.1:{broker.port}"
    with (
        Web(tmp_path, root=copy, DEFAULT_PATH="queued", NATS_URL=url) as web,
        Worker(copy, tmp_path / "worker.log", NATS_URL=url, DRAIN_SECONDS="60") as worker,
    ):
        until(lambda: ready(web.url), "the queue is connected")
        worker.ready()
        ann = guests(web.url, "Ann")
        ann.join("lobby")
        asked = ann.ask("lobby", "single", gate=str(gate))
        until(gate.begun, "it runs")
        worker.process.send_signal(signal.SIGTERM)
        gate.open()
        assert ann.final(asked["id"])["state"] == "succeeded"
        assert worker.stop() == 0
        assert gate.begun() == [0]
