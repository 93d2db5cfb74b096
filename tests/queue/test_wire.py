"""What goes over the queue, as workers in other languages see it."""

from __future__ import annotations

import json

import pytest

from app.queue.names import Names
from app.queue.wire import JobMessage, ResultMessage, Undecodable, decode, encode


def test_a_job_is_written_as_the_contract_has_it() -> None:
    message = JobMessage(
        id="i", attempt=2, task="triage", room="lobby", args={"text": "x"}, deadline="2026-01-01T00:00:00Z"
    )
    assert json.loads(encode(message)) == {
        "id": "i",
        "attempt": 2,
        "task": "triage",
        "room": "lobby",
        "args": {"text": "x"},
        "deadline": "2026-01-01T00:00:00Z",
    }
    assert decode(encode(message), JobMessage) == message


def test_fields_that_are_added_later_do_no_harm() -> None:
    data = b'{"job":"i","attempt":1,"run":"r","state":"running","colour":"red"}'
    assert decode(data, ResultMessage).state == "running"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"job":"i","attempt":1,"run":"r"}',
        b'{"job":"i","attempt":0,"run":"r","state":"running"}',
        b'{"job":"i","attempt":"1","run":"r","state":"running"}',
        b'{"job":"i","attempt":1,"run":"r","state":"asleep"}',
        b'{"job":"","attempt":1,"run":"r","state":"running"}',
        b'{"job":"i","attempt":1,"run":"r","state":"failed"}',
        b'{"job":"i","attempt":1,"run":"r","state":"succeeded","result":NaN}',
        b'{"job":"i","attempt":1,"run":"r","state":"running","progress":' + b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_says_so(data: bytes) -> None:
    with pytest.raises(Undecodable) as error:
        decode(data, ResultMessage)
    assert str(error.value)


def test_a_prefix_is_on_every_name() -> None:
    names = Names("x")
    assert (names.jobs, names.results, names.dead) == ("X_JOBS", "X_RESULTS", "X_DEAD")
    assert names.job("ml", "triage") == "x.jobs.ml.triage"
    assert names.result("triage") == "x.results.triage"
    assert Names().job("ml", "triage") == "jobs.ml.triage"
    assert Names().jobs == "JOBS"
