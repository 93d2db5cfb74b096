"""What a process leaves when it is killed is taken up by the next one, in the order of acceptance."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.contract import JobError, Outcome
from app.jobs.job import MAX_DEATHS
from app.tasks import Said, Task, task
from tests.jobs.process import Broker, Guest, Process

Start = Callable[..., Process]
FINE = Outcome(state="succeeded", result=b'{"text":"fine"}', ms=1.0)
AGAIN = Outcome(state="failed", error=JobError("broken", "it broke", retryable=True))


def answer_of(says: str = "says") -> Task:
    """A task that is answered in the order asked."""

    @task(says=lambda result: Said(f"{says} {result['text']}"), attempts=8)
    def answer(text: str) -> dict[str, str]:
        """Is asked for"""
        return {"text": text}

    return answer


TASKS = {"answer": answer_of()}


def ask(process: Process, ann: Guest, *keys: str) -> list[str]:
    """Ask for one job under each key; returns their IDs."""
    asked = [process.ask(ann, "job:create", room="lobby", key=key, task="answer", args={"text": key}) for key in keys]
    process.turn()
    return [ann.acks[id]["job"]["id"] for id in asked]


def finals(guest: Guest) -> list[str]:
    """Keys of the jobs that were answered, in this order."""
    return [
        data["key"]
        for event, data in guest.received
        if event == "job:update" and data["state"] in ("succeeded", "failed")
    ]


def test_what_ran_counts_as_an_attempt_and_runs_again_and_what_waited_just_runs(start: Start) -> None:
    process = start(TASKS, slots=1)
    first, second = ask(process, process.guest("ann", "lobby"), "a", "b")
    process.kill()

    again = start(TASKS, slots=1)
    ann = again.guest("ann", "lobby")
    again.turn()
    assert [job.id for job, _ in again.runs] == [second]
    assert (again.stored(first).state, again.stored(first).deaths) == ("retrying", 1)
    assert msgspec.json.decode(again.stored(first).errors or "")[0]["code"] == "cut_off"
    again.pass_time(60)
    again.turn()
    while again.runs:
        again.end_run(0, FINE)
        again.turn()

    assert finals(ann) == ["a", "b"]


def test_what_was_killed_before_its_run_began_counts_as_no_attempt(start: Start) -> None:
    """The ledger says `running` from the commit on; the run itself begins a moment later."""
    process = start(TASKS)
    process.background._start_background_task = lambda run, job, attempt: None
    (id,) = ask(process, process.guest("ann", "lobby"), "a")
    assert process.stored(id).state == "running"
    process.kill()

    again = start(TASKS)
    ann = again.guest("ann", "lobby")
    again.turn()
    assert [(job.id, attempt, job.deaths) for job, attempt in again.runs] == [(id, 1, 0)]
    again.end_run(0, FINE)
    again.turn()
    assert finals(ann) == ["a"]


def test_a_run_whose_outcome_was_not_committed_counts(start: Start) -> None:
    """What the outcome leads to may be what ends the process each time."""
    process = start(TASKS)
    (id,) = ask(process, process.guest("ann", "lobby"), "a")
    job, attempt = process.runs.pop()
    process.background._ended(job, attempt, FINE)
    process.kill()

    again = start(TASKS)
    again.turn()
    assert (again.stored(id).state, again.stored(id).deaths) == ("retrying", 1)


def test_a_job_that_ends_the_process_each_time_is_given_up(start: Start) -> None:
    (id,) = ask(process := start(TASKS), process.guest("ann", "lobby"), "a")
    for _ in range(MAX_DEATHS):
        process.kill()
        process = start(TASKS)
        process.turn()
        process.pass_time(60)
        process.turn()

    job = process.stored(id)
    assert (job.state, job.dead, job.attempt) == ("failed", True, MAX_DEATHS)
    assert not process.runs


def test_an_outcome_that_waited_for_its_turn_waits_again_and_its_words_are_made_again(start: Start) -> None:
    process = start(TASKS)
    ask(process, process.guest("ann", "lobby"), "a", "b")
    process.end_run(1, FINE)
    process.turn()
    process.kill()

    again = start({"answer": answer_of("tells")})
    ann = again.guest("ann", "lobby")
    again.turn()
    assert finals(ann) == []
    again.pass_time(60)
    again.turn()
    again.end_run(0, FINE)
    again.turn()

    assert finals(ann) == ["a", "b"]
    assert [data["text"] for event, data in ann.received if event == "message:new"] == ["tells fine", "tells fine"]


def test_an_outcome_whose_task_is_not_ordered_any_more_is_shown_at_once(start: Start) -> None:
    process = start(TASKS)
    ask(process, process.guest("ann", "lobby"), "a", "b")
    process.end_run(1, FINE)
    process.turn()
    process.kill()

    @task(attempts=8)
    def answer(text: str) -> dict[str, str]:
        """Is asked for, and says nothing"""
        return {"text": text}

    again = start({"answer": answer})
    again.turn()

    assert [job.delivered for job in again.all_jobs().values()] == [False, True]


def test_a_retry_is_made_when_it_is_due(start: Start) -> None:
    process = start(TASKS)
    (id,) = ask(process, process.guest("ann", "lobby"), "a")
    process.end_run(0, AGAIN)
    process.turn()
    process.kill()

    again = start(TASKS)
    again.pass_time(60)
    again.turn()

    assert [(job.id, attempt) for job, attempt in again.runs] == [(id, 2)]


def test_parked_jobs_stay_parked_and_keep_their_place_in_line(start: Start) -> None:
    broker, path = Broker(), ["queued"]

    def flag(task: str, room: str) -> str:
        return path[0]

    process = start(TASKS, broker=broker, flag=flag)
    ann = process.guest("ann", "lobby")
    (parked,) = ask(process, ann, "a")
    process.life.park(process.life.jobs[parked], 1, 7)
    process.turn()
    path[0] = "simple"
    ask(process, ann, "b")
    process.kill()

    again = start(TASKS, broker=broker, flag=flag)
    ann = again.guest("ann", "lobby")
    again.pass_time(60)
    again.turn()
    assert (again.life.parked_jobs, list(again.life.jobs)) == (1, [job.id for job, _ in again.runs])
    again.end_run(0, FINE)
    again.turn()
    assert finals(ann) == []
    again.result(parked, 1, FINE)
    again.turn()

    assert finals(ann) == ["a", "b"]
    assert broker.acknowledged == [f"{parked}.1".encode()]
    assert again.life.parked_jobs == 0


def test_what_the_broker_may_not_have_is_published_again(start: Start) -> None:
    broker = Broker()
    process = start(TASKS, broker=broker, flag=lambda task, room: "queued")
    (id,) = ask(process, process.guest("ann", "lobby"), "a")
    process.kill()
    broker.attempts.clear()

    start(TASKS, broker=broker, flag=lambda task, room: "queued").turn()

    assert broker.attempts == [(id, 1)]


def test_deadlines_go_on(start: Start) -> None:
    process = start(TASKS)
    (id,) = ask(process, process.guest("ann", "lobby"), "a")
    process.kill()

    again = start(TASKS)
    again.pass_time(TASKS["answer"].deadline + 1)
    again.turn()

    assert msgspec.json.decode(again.stored(id).error or "")["code"] == "deadline"


def test_a_room_goes_on_counting_where_it_was(start: Start) -> None:
    process = start(TASKS)
    ann = process.guest("ann", "lobby")
    for key in "ab":
        process.ask(ann, "message:send", room="lobby", key=key, text="hello")
    process.turn()
    process.kill()

    again = start(TASKS)
    ann = again.guest("ann", "lobby")
    sent = again.ask(ann, "message:send", room="lobby", key="c", text="hello")
    again.turn()

    assert ann.acks[sent]["message"]["seq"] == 3


def test_a_mark_says_where_to_look_from_and_hides_nothing(start: Start) -> None:
    process = start(TASKS, slots=3)
    ann = process.guest("ann", "lobby")
    _, second, third = ask(process, ann, "a", "b", "c")
    process.end_run(0, FINE)
    process.turn()
    process.life._mark()
    process.turn()
    assert process.life.marked == process.stored(second).n
    process.kill()

    assert set(start(TASKS).life.jobs) == {second, third}
