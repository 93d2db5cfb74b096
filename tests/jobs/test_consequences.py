"""What a result leads to is code of whoever wrote the task: it can fail or hang, and holds up nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from app.contract import MAX_RESULT_BYTES, Outcome
from app.jobs import consequences
from app.jobs.consequences import UserCode, fitting
from app.jobs.job import Job
from app.tasks import Said, Task, task
from tests.jobs.process import Process
from tests.own_loop import OwnLoop

Start = Callable[..., Process]
FINE = Outcome(state="succeeded", result=b'{"text":"fine"}', ms=1.0)


def tasks(says: Any = None, when: Any = None, history: int = 0, runs: str = "request") -> dict[str, Task]:
    """Two tasks, of which the second follows the first."""

    @task(runs=[runs], says=says, attempts=2)
    def first(text: str) -> dict[str, str]:
        """Is asked for"""
        return {"text": text}

    if history:

        @task(after="first", when=when, history=history)
        def second(first: dict[str, str], text: str, history: list[dict[str, str]]) -> dict[str, str]:
            """Follows"""
            return first
    else:

        @task(after="first", when=when)
        def second(first: dict[str, str], text: str) -> dict[str, str]:
            """Follows"""
            return first

    first = type(first)(**{**vars(first), "followers": ("second",)})
    return {"first": first, "second": second}


def settled(process: Process, outcome: Outcome = FINE) -> list[Job]:
    """Ask for `first`, have it end like this, and return all jobs."""
    ann = process.guest("ann", "lobby")
    process.ask(ann, "job:create", room="lobby", key="k", task="first", args={"text": "please"})
    process.turn()
    process.end_run(0, outcome)
    process.turn()
    return list(process.all_jobs().values())


def said(process: Process) -> list[str]:
    """What the room was told."""
    (ann,) = process.rooms["lobby"].listeners
    return [data["text"] for event, data in ann.received if event == "message:new"]


def test_words_and_followers_are_committed_with_the_outcome(start: Start) -> None:
    seen: list[threading.Thread] = []

    def says(result: dict[str, str]) -> Said:
        seen.append(threading.current_thread())
        return Said(result["text"])

    process = start(tasks(says, lambda result: result["text"] == "fine"))
    first, second = settled(process)

    assert said(process) == ["fine"]
    assert (first.state, second.task, second.state) == ("succeeded", "second", "running")
    assert msgspec.json.decode(second.args) == {"first": {"text": "fine"}, "text": "please"}
    assert seen[0] is not threading.current_thread()


def test_what_a_follower_is_given_of_the_room_is_the_newest_that_was_said(start: Start) -> None:
    process = start(tasks(history=2))
    ann = process.guest("ann", "lobby")
    for key in "abc":
        process.ask(ann, "message:send", room="lobby", key=key, text=f"text {key}")
    process.turn()

    _, second = settled(process)

    assert msgspec.json.decode(second.args)["history"] == [
        {"sender": "ann", "text": "text b"},
        {"sender": "ann", "text": "text c"},
    ]


def test_words_that_cannot_be_made_are_a_failure_of_the_job(start: Start) -> None:
    def says(result: dict[str, str]) -> Said:
        raise KeyError("level")

    process = start(tasks(says))
    (first,) = settled(process)

    assert (first.state, first.dead) == ("failed", True)
    assert msgspec.json.decode(first.error or "") == {"code": "says_failed", "message": "KeyError: 'level'"}
    assert said(process) == ["Is asked for: this did not work (1 try). It is kept and can be tried again."]


def test_a_condition_that_raises_says_no_and_the_job_before_it_succeeds(start: Start) -> None:
    process = start(tasks(when=lambda result: result["nothing"]))
    (first,) = settled(process)
    assert first.state == "succeeded"


@pytest.fixture
def release() -> Any:
    """Lets what hangs go on, at the end at the latest."""
    event = threading.Event()
    yield event
    event.set()


def test_what_hangs_is_left_behind_and_the_next_works(
    start: Start, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consequences, "PATIENCE_SECONDS", 0.05)

    def says(result: dict[str, str]) -> Said:
        if result["text"] == "hang":
            release.wait(20)
        return Said(result["text"])

    process = start(tasks(says))
    (first,) = settled(process, Outcome(state="succeeded", result=b'{"text":"hang"}'))
    assert msgspec.json.decode(first.error or "")["code"] == "says_failed"

    (ann,) = process.rooms["lobby"].listeners
    process.ask(ann, "job:create", room="lobby", key="next", task="first", args={"text": "please"})
    process.turn()
    process.end_run(0, FINE)
    process.turn()

    assert said(process)[-1] == "fine"
    release.set()


@pytest.fixture
def code(own: OwnLoop) -> Iterator[UserCode]:
    """What runs code of tasks; its thread is told to end before the loop waits for it."""
    made = UserCode(own)
    yield made
    made._work.put(None)


def test_what_is_late_does_not_answer_for_the_next(
    own: OwnLoop, code: UserCode, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consequences, "PATIENCE_SECONDS", 0.05)
    with pytest.raises(TimeoutError, match=r"did not return within 0\.05 s"):
        own.run(code.run("says", release.wait, 20))
    release.set()

    assert own.run(code.run("says", lambda: "mine")) == "mine"


def test_more_processor_time_than_its_bound_fails_but_for_the_first_call_and_waiting_does_not(
    own: OwnLoop, code: UserCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consequences, "PATIENCE_SECONDS", 20)
    monkeypatch.setattr(consequences, "BOUND_SECONDS", 0.01)

    def computes(text: str) -> str:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        return text

    def waits(text: str) -> str:
        time.sleep(0.03)
        return text

    assert own.run(code.run("says of one", computes, "imports")) == "imports"
    with pytest.raises(TimeoutError, match=r"it used \d+ ms of processor time, and may use 10"):
        own.run(code.run("says of one", computes, "again"))
    for _ in range(2):
        assert own.run(code.run("says of another", waits, "waits")) == "waits"


def test_a_timeout_of_its_own_is_its_own(own: OwnLoop, code: UserCode) -> None:
    def gives_up() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match=r"^mine$"):
        own.run(code.run("says", gives_up))
    assert own.run(code.run("says", lambda: "here")) == "here"


def test_of_a_long_history_the_newest_lines_are_kept_in_order() -> None:
    lines = [{"sender": "ann", "text": str(n) + "x" * 1000} for n in range(1000)]
    kept = fitting(lines, 0)
    assert kept == lines[-len(kept) :]
    assert 200 < len(kept) < 1000
    assert len(msgspec.json.encode(kept)) <= MAX_RESULT_BYTES
    assert fitting(lines, MAX_RESULT_BYTES) == []


def test_a_follower_that_is_given_too_much_fails_and_is_found_by_who_comes_back(start: Start) -> None:
    process = start(tasks(runs="message"), slots=1)
    ann = process.guest("ann", "lobby")
    for key in ("k1", "k2"):
        process.ask(ann, "message:send", room="lobby", key=key, text="hello")
    process.turn()
    large = msgspec.json.encode({"text": "x" * (MAX_RESULT_BYTES - 20)})
    process.end_run(0, Outcome(state="succeeded", result=large))
    process.turn()
    first, _, second = process.all_jobs().values()

    assert (first.state, second.state, second.dead) == ("succeeded", "failed", True)
    assert msgspec.json.decode(second.error or "")["code"] == "result_too_large"
    joined = process.ask(ann, "room:join", room="lobby", after=2)
    process.turn()
    assert {first.id, second.id} <= {job["id"] for job in ann.acks[joined]["jobs"]}
