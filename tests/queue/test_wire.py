"""What goes over the queue, as workers in other languages see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from app.contract import JobMessage, ResultMessage
from app.queue.names import Names
from app.queue.wire import Undecodable, read_job, read_results

RESULT = {"job": "i", "attempt": 1, "run": "r", "state": "succeeded", "result": {"text": "x"}, "ms": 1.5}
JOB = {"id": "i", "attempt": 2, "task": "triage", "room": "lobby", "args": {"text": "x"}, "deadline": "2026-01-01"}


def test_a_job_is_written_as_the_contract_has_it() -> None:
    message = JobMessage(
        id="i", attempt=2, task="triage", room="lobby", args=Raw(b'{"text":"x"}'), deadline="2026-01-01"
    )
    assert json.loads(msgspec.json.encode(message)) == JOB
    assert read_job(msgspec.json.encode(message)) == message


def test_results_come_alone_or_several_in_one_message() -> None:
    alone, several = json.dumps(RESULT).encode(), json.dumps([RESULT, {**RESULT, "job": "k"}]).encode()
    assert [each.job for each in read_results(alone)] == ["i"]
    assert [each.job for each in read_results(several)] == ["i", "k"]
    assert bytes(read_results(alone)[0].result) == b'{"text": "x"}'


def test_fields_that_are_added_later_do_no_harm() -> None:
    assert read_results(json.dumps({**RESULT, "colour": "red"}).encode())[0].state == "succeeded"
    assert read_job(json.dumps({**JOB, "colour": "red"}).encode()).task == "triage"


def without(known: dict[str, Any], **changed: Any) -> bytes:
    """The message with other fields; None takes one away."""
    return json.dumps({name: value for name, value in {**known, **changed}.items() if value is not None}).encode()


UNREADABLE: list[tuple[Callable[[bytes], Any], bytes]] = [
    *(
        (read, data)
        for read in (read_job, read_results)
        for data in (b"", b"{", b"\xff\xfe", b"null", b"7", b"[]", b"[7]")
    ),
    (read_results, without(RESULT, run=None)),
    (read_results, without(RESULT, attempt=0)),
    (read_results, without(RESULT, attempt="1")),
    (read_results, without(RESULT, state="asleep")),
    (read_results, without(RESULT, job="")),
    (read_results, without(RESULT, job="x" * 65)),
    (read_results, without(RESULT, state="failed")),
    (read_results, b"[" + without(RESULT) + b"," + without(RESULT, run=None) + b"]"),
    (read_results, b'{"job":"i","attempt":1,"run":"r","state":"succeeded","result":NaN}'),
    (read_results, b'{"job":"i","attempt":1,"run":"r","state":"running","progress":' + b"[" * 100_000),
    (read_job, without(JOB, args=None)),
    (read_job, without(JOB, args=[1])),
    (read_job, without(JOB, args="x")),
    (read_job, without(JOB, attempt=0)),
    (read_job, b'{"id":"i","attempt":1,"task":"t","room":"r","deadline":"","args":' + b"[" * 100_000),
]


@pytest.mark.parametrize(("read", "data"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_cannot_be_read_says_so(read: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(Undecodable) as error:
        read(data)
    assert str(error.value)


def test_a_failed_run_says_why() -> None:
    (result,) = read_results(without(RESULT, state="failed", error={"code": "c", "message": "m", "retryable": True}))
    assert isinstance(result, ResultMessage)
    assert result.error is not None
    assert (result.error.code, result.error.retryable) == ("c", True)


def test_a_prefix_is_on_every_name() -> None:
    names = Names("x")
    assert (names.jobs, names.results, names.dead) == ("X_JOBS", "X_RESULTS", "X_DEAD")
    assert names.job("ml", "triage") == "x.jobs.ml.triage"
    assert names.result("triage") == "x.results.triage"
    assert Names().job("ml", "triage") == "jobs.ml.triage"
    assert Names().jobs == "JOBS"
