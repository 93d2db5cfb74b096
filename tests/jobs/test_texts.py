"""Texts of workers as they reach people: pieces get lost, come twice or late, processes die, and nothing shown is lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from app.contract import JobError, Outcome
from app.jobs.job import view
from app.tasks import Delta, Task, task
from tests.jobs.process import Guest, Process

Start = Callable[..., Process]
TEXT = "".join(f"{number} " for number in range(120))


@task
def tell() -> Generator[Delta, None, None]:
    """Tell"""
    yield Delta(TEXT)


TASKS: dict[str, Task] = {"tell": tell}


def ask(process: Process, guest: Guest) -> str:
    """Ask for a text that a worker writes; returns the job."""
    number = process.ask(guest, "job:create", room="lobby", key=f"k{process._asked}", task="tell", args={})
    process.turn()
    return str(guest.acks[number]["job"]["id"])


def shown(guest: Guest, job: str, attempt: int) -> str:
    """The text that somebody has of an attempt."""
    text = ""
    for event, data in guest.received:
        if event == "job:delta" and (data["job"], data["attempt"]) == (job, attempt):
            assert data["offset"] <= len(text), "a piece is missing"
            text = text[: data["offset"]] + data["text"]
    return text


def go_on(process: Process, seconds: float = 0.1) -> None:
    """Let a while pass in which what is due is done."""
    process.pass_time(seconds)
    process.turn()


@pytest.mark.parametrize("seed", range(12))
def test_what_gets_lost_is_asked_for_and_nothing_comes_twice(start: Start, seed: int) -> None:
    chance = random.Random(seed)
    process = start(TASKS, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    job = ask(process, ann)

    def answer(id: str, attempt: int, offset: int) -> None:
        if chance.random() < 0.7:
            process.life.wrote(id, attempt, "run", offset, TEXT[offset:written])

    process.life.texts.ask = answer
    written = 0
    while written < len(TEXT):
        before, written = written, min(len(TEXT), written + chance.randrange(1, 30))
        for _ in range(chance.choice([0, 1, 1, 1, 2])):
            process.life.wrote(job, 1, "run", before, TEXT[before:written])
        if chance.random() < 0.5:
            go_on(process)
        assert TEXT.startswith(shown(ann, job, 1))
    result = b'{"text":"%b"}' % TEXT.encode()
    process.result(job, 1, Outcome(state="succeeded", result=result))
    process.turn()
    assert shown(ann, job, 1) == TEXT
    assert process.stored(job).text is None
    assert process.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM pieces").scalar()) == 0


@pytest.mark.parametrize("seed", range(6))
def test_what_people_have_seen_is_there_after_a_kill_and_goes_on(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    process = Process(tmp_path, TASKS, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    job, end = ask(process, ann), chance.randrange(1, len(TEXT))
    for at in range(0, end, 7):
        process.life.wrote(job, 1, "run", at, TEXT[at : min(at + 7, end)])
        if chance.random() < 0.5:
            go_on(process)
    go_on(process)
    seen = shown(ann, job, 1)
    process.kill()

    after = Process(tmp_path, TASKS, process.broker, flag=lambda task, room: "queued")
    after.start()
    after.turn()
    found = after.life.jobs[job]
    assert seen == TEXT[:end] == view(found).text
    ben = after.guest("ben", "lobby")
    after.life.wrote(job, 1, "run", end, TEXT[end:])
    go_on(after)
    assert view(found).text == TEXT
    assert "".join(data["text"] for event, data in ben.received if event == "job:delta") == TEXT[end:]
    after.kill()


def test_a_text_that_ends_takes_no_piece_of_another_with_it(tmp_path: Path) -> None:
    process = Process(tmp_path, TASKS, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    first, *others = [ask(process, ann) for _ in range(4)]
    for at in range(0, 40, 10):
        for job in (first, *others):
            process.life.wrote(job, 1, "run", at, TEXT[at : at + 10])
            go_on(process)
    process.result(others[0], 1, Outcome(state="succeeded", result=b'{"text":"%b"}' % TEXT[:40].encode()))
    process.result(others[1], 1, Outcome(state="failed", error=JobError("model_unavailable", "away", retryable=True)))
    process.turn()
    process.kill()

    after = Process(tmp_path, TASKS, process.broker, flag=lambda task, room: "queued")
    after.start()
    after.turn()
    assert [view(after.life.jobs[job]).text for job in (first, others[2])] == [TEXT[:40]] * 2
    for job in (first, others[2]):
        after.life.wrote(job, 1, "run", 40, TEXT[40:])
        go_on(after)
        after.result(job, 1, Outcome(state="succeeded", result=b'{"text":"%b"}' % TEXT.encode()))
        after.turn()
    assert after.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM pieces").scalar()) == 0
    after.kill()


def test_pieces_that_come_while_others_are_being_stored_lose_nothing(start: Start) -> None:
    process = start(TASKS, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    job = ask(process, ann)
    for at in range(0, len(TEXT), 6):  # the second of each three comes before the first one's operation is prepared
        process.life.wrote(job, 1, "run", at, TEXT[at : at + 2])
        process.life.texts._look()
        process.life.wrote(job, 1, "run", at + 2, TEXT[at + 2 : at + 4])
        go_on(process)
        process.life.wrote(job, 1, "run", at + 4, TEXT[at + 4 : at + 6])
        go_on(process)
        assert shown(ann, job, 1) == TEXT[: at + 6]


def test_an_earlier_text_stays_until_the_next_attempt_has_overtaken_it(start: Start) -> None:
    process = start(TASKS, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    job = ask(process, ann)
    process.life.wrote(job, 1, "run", 0, "the first text")
    go_on(process)
    process.result(job, 1, Outcome(state="failed", error=JobError("model_unavailable", "away", retryable=True)))
    go_on(process, 5)
    assert view(process.life.jobs[job]).text == "the first text"
    assert process.stored(job).text == "the first text"

    process.life.wrote(job, 2, "other", 0, "another")
    go_on(process)
    assert view(process.life.jobs[job]).text == "the first text"
    missing = process.life.texts.unlike_shown(process.life.jobs[job])
    assert missing is not None
    assert (missing.attempt, missing.text) == (2, "another")
    process.life.wrote(job, 2, "other", 7, " text, which is longer")
    go_on(process)
    assert view(process.life.jobs[job]).text == "another text, which is longer"
    assert process.life.texts.unlike_shown(process.life.jobs[job]) is None


def test_a_second_run_of_an_attempt_that_people_have_seen_is_another_attempt(start: Start) -> None:
    process = start(TASKS, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    job = ask(process, ann)
    process.life.wrote(job, 1, "r1", 0, "as far as it came")
    go_on(process)

    over = process.life.is_over(job, b'["r2",1]')
    go_on(process)
    assert not isinstance(over, bool)
    assert over.result() is True  # the worker leaves it alone
    go_on(process, 5)
    assert process.broker.attempts == [(job, 1), (job, 2)]
    assert process.stored(job).deaths == 1
    process.life.wrote(job, 1, "r2", 0, "of a run that goes on all the same")
    go_on(process)
    assert shown(ann, job, 1) == "as far as it came"


def test_progress_is_told_four_times_a_second_at_most(start: Start) -> None:
    process = start(TASKS, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    job = ask(process, ann)
    process.life.announced(job, 1, "run", None)
    go_on(process)
    for number in range(20):
        process.life.announced(job, 1, "run", f'{{"fraction":{number / 20},"words":""}}')
        go_on(process, 0.05)
    go_on(process, 0.3)
    told = [data["progress"]["fraction"] for event, data in ann.received if "progress" in data]
    assert 3 <= len(told) <= 6
    assert told[-1] == 0.95


def test_pieces_of_jobs_that_nobody_knows_are_looked_up_once(start: Start) -> None:
    process = start(TASKS)
    for number in range(3):
        process.life.wrote("nobody's", 1, "run", number, "x")
        process.turn()
    assert list(process.life._strangers) == ["nobody's"]
    assert not process.life.jobs
