"""Callbacks as a program sees them that asked for a job over HTTP."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from app.callbacks.signature import key_of, signature
from app.compare.system import ROOT
from tests.callbacks.conftest import SECRET, Running, settings
from tests.guest import WAIT, Guest
from tests.receiver import Call, Receiver
from tests.web import Web


def is_signed(call: Call) -> bool:
    """Whether its signature is right."""
    id, stamp = call.headers["webhook-id"], int(call.headers["webhook-timestamp"])
    return call.headers["webhook-signature"] == signature(key_of(SECRET), id, stamp, call.body)


def kill(web: Web) -> None:
    """kill -9"""
    web.process.send_signal(signal.SIGKILL)
    web.process.wait()


def test_how_a_job_ended_is_posted(running: Running, room: str) -> None:
    with Receiver() as receiver:
        job = running.ask(room, delay_s=3600, callback=f"{receiver.url}/done")
        running.end(job)
        call = receiver.called(job["id"])
    assert call.path == "/done"
    assert json.loads(call.body)["state"] == call.headers["spillway-status"] == "cancelled"
    assert is_signed(call)
    final = requests.get(f"{running.web.url}/api/jobs/{job['id']}", timeout=WAIT).json()
    assert json.loads(call.body) == final


def test_localhost_is_where_it_was_listed(running: Running, room: str) -> None:
    with Receiver() as receiver:
        job = running.ask(room, delay_s=3600, callback=f"http://localhost:{receiver.port}/")
        running.end(job)
        assert receiver.called(job["id"]).headers["host"] == f"localhost:{receiver.port}"


def test_the_address_is_shown_to_nobody(running: Running, room: str, guests: Callable[..., Guest]) -> None:
    ann = guests(running.web.url, "Ann")
    ann.join(room)
    with Receiver(lambda call: 500) as receiver:
        job = running.ask(room, delay_s=3600, callback=f"{receiver.url}/very-secret?token=hunter2")
        running.end(job)
        ann.final(job["id"])
        receiver.called(job["id"], times=2)
    pages = (f"/api/jobs/{job['id']}", "/api/jobs", "/api/operator", "/api/dead-letters", "/metrics")
    read = [requests.get(running.web.url + path, timeout=WAIT).text for path in pages]
    said = f"{ann.seen} {ann.join(room)} {read} {running.web.log.read_text()}"
    assert "a callback was not taken" in said
    for secret in ("very-secret", "hunter2", SECRET, SECRET.removeprefix("whsec_")):
        assert secret not in said


def test_a_job_that_ran_is_called_back_about(ml_url: str, data: Path, room: str) -> None:
    with Web(data, ML_URL=ml_url, **settings()) as web, Receiver() as receiver:
        job = Running(web).ask(room, args={"text": "Où est la gare?"}, callback=receiver.url)
        call = receiver.called(job["id"])
    assert json.loads(call.body)["result"]["language"] == "fr"
    assert float(call.headers["spillway-duration-seconds"]) == pytest.approx(
        json.loads(call.body)["ms"] / 1000, abs=0.001
    )
    assert call.headers["spillway-status"] == "succeeded"


@pytest.mark.parametrize("mode", ["eventlet", pytest.param("threading", marks=pytest.mark.slow)])
def test_kill_9_between_outcome_and_post_loses_nothing(data: Path, room: str, mode: str) -> None:
    """The first process is killed while the receiver has the call and has not answered; the next one calls again."""
    killed = threading.Event()
    with (
        Receiver(lambda call: 200 if killed.wait(WAIT) else 500) as receiver,
        Web(data, ASYNC_MODE=mode, **settings()) as web,
    ):
        run = Running(web)
        job = run.ask(room, delay_s=3600, callback=receiver.url)
        run.end(job)
        receiver.called(job["id"])
        kill(web)
        killed.set()
        web.start()
        first, second = receiver.called(job["id"], 1), receiver.called(job["id"], 2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"{job['id']}.1"
    assert first.body == second.body
    assert is_signed(second)


def test_what_waits_is_sent_and_started_by_the_next_process(data: Path, room: str) -> None:
    """The receiver is away when one job ends, and another is put off over the restart."""
    with Receiver() as away:
        port = away.port
    with Web(data, **settings()) as web:
        run = Running(web)
        ended, put_off = (run.ask(room, delay_s=3600, callback=f"http://127.0.0.1:{port}/") for _ in range(2))
        run.end(ended)
        kill(web)
        web.start()
        with Receiver(port=port) as receiver:
            receiver.called(ended["id"])
            shown = requests.get(f"{web.url}/api/jobs/{put_off['id']}", timeout=WAIT).json()
            assert (shown["state"], shown["due"]) == ("accepted", put_off["due"])
            run.end(put_off)
            receiver.called(put_off["id"])


@pytest.mark.parametrize("mode", ["threading", pytest.param("eventlet", marks=pytest.mark.slow)])
def test_https_is_checked_against_the_machines_authorities(data: Path, room: str, mode: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    known = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(known))
    more: dict[str, Any] = {"ASYNC_MODE": mode, "SSL_CERT_FILE": str(known)}
    with (
        Receiver(certificate=authority.issue_cert("localhost")) as good,
        Receiver(certificate=trustme.CA().issue_cert("localhost")) as bad,
        Web(data, **settings(), **more) as web,
    ):
        run = Running(web)
        jobs = [run.ask(room, delay_s=3600, callback=f"https://localhost:{each.port}/") for each in (bad, good)]
        for job in jobs:
            run.end(job)
        good.called(jobs[1]["id"])
        assert bad.calls == []


def test_the_receiver_in_the_documentation_tells_ours_from_others(running: Running, room: str) -> None:
    example = re.search(r"```python\n(import base64.*?)```", (ROOT / "docs" / "contract.md").read_text(), re.DOTALL)
    assert example
    code: dict[str, Callable[..., bool]] = {}
    exec(example[1], code)
    with Receiver() as receiver:
        job = running.ask(room, delay_s=3600, callback=receiver.url)
        running.end(job)
        call = receiver.called(job["id"])
    is_from_spillway = code["is_from_spillway"]
    assert is_from_spillway(SECRET, call.headers, call.body)
    assert not is_from_spillway(SECRET, call.headers, call.body + b" ")
    assert not is_from_spillway("whsec_AAAA", call.headers, call.body)
    assert not is_from_spillway(SECRET, {**call.headers, "webhook-id": "x"}, call.body)
    old = {**call.headers, "webhook-timestamp": str(int(call.headers["webhook-timestamp"]) - 600)}
    assert not is_from_spillway(SECRET, old, call.body)
