"""Whatever happens, and in whatever order: every message and job that was acknowledged is kept, answered once and in order."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection, select

from app.contract import FINAL, JobError, NewJob, Outcome, Person
from app.jobs import dead_letters
from app.jobs.job import Job
from app.payload import Refused
from app.retention import remove
from app.store.schema import messages, rooms
from app.store.sqlite import Sqlite
from app.tasks import Said, Task, task
from tests.jobs.process import Broker, Guest, Process
from tests.own_loop import wall_clock_of
from tests.store.inside import local_of, sqlite_of

ROOMS = ("lobby", "ward")
KEYS = ("k1", "k2", "k3")
TEXTS = ("hello", "!urgent", "silent")


def say(result: dict[str, str]) -> Said | None:
    """Its text, unless it is to be silent."""
    return Said(result["text"]) if result["text"] != "silent" else None


@task(runs=["message"], attempts=3, ordered=True, says=say)
def echo(text: str) -> dict[str, str]:
    """Says it again"""
    return {"text": text}


@task(runs=["message"], attempts=2)
def tag(text: str) -> dict[str, str]:
    """Says nothing"""
    return {"text": text}


@task(after="echo", attempts=2, ordered=True, says=say, when=lambda result: result["text"].startswith("!"))
def alarm(echo: dict[str, str]) -> dict[str, str]:
    """Follows what is urgent"""
    return echo


@task(attempts=2, says=say)
def answer(text: str) -> dict[str, str]:
    """Is asked for, and answered in the order asked"""
    return {"text": text}


@task(attempts=2)
def count(text: str) -> dict[str, str]:
    """Is asked for, and answered at once"""
    return {"text": text}


TASKS: dict[str, Task] = {"echo": echo, "tag": tag, "alarm": alarm, "answer": answer, "count": count}
TASKS["echo"] = type(echo)(**{**vars(echo), "followers": ("alarm",)})

OUTCOMES = {
    "good": lambda: Outcome(state="succeeded", result=b'{"text":"fine"}', ms=1.0),
    "urgent": lambda: Outcome(state="succeeded", result=b'{"text":"!come"}', ms=1.0),
    "silent": lambda: Outcome(state="succeeded", result=b'{"text":"silent"}', ms=1.0),
    "again": lambda: Outcome(state="failed", error=JobError("broken", "it broke", retryable=True), ms=1.0),
    "bad": lambda: Outcome(state="failed", error=JobError("broken", "it broke for good"), ms=1.0),
    "stopped": lambda: Outcome(state="failed", error=JobError("worker_stopped", "a deploy", retryable=True), ms=1.0),
}
outcomes = st.sampled_from(["good", "good", *OUTCOMES])
number = st.integers(0, 1000)


async def nothing_to_discard(ids: list[str]) -> None:
    """Removes files of images, of which there are none here."""
    assert ids == []


class Refusals:
    """Has the next transactions refused in the middle: all is written, and rolled back."""

    def __init__(self, database: Sqlite) -> None:
        self.left, self.any, self._write = 0, False, database.write
        database.write = self.write  # type: ignore[method-assign]

    def write(self, rows: Any, still_wanted: Any) -> None:
        """Write, or write and be refused."""
        if not self.left:
            self._write(rows, still_wanted)
            return
        self.left, self.any = self.left - 1, True
        self._write(rows, lambda: False)


class Asked:
    """What was asked under one key, and what was answered."""

    def __init__(self) -> None:
        self.open: dict[bytes, str] = {}  # number of the acknowledgement to the content
        self.lost: list[str] = []  # contents whose answer a killed process did not give
        self.accepted: tuple[str, str] | None = None  # ID and content


@contextmanager
def captured() -> Iterator[list[Any]]:
    """What is logged meanwhile. structlog's own way empties its list for a moment, in which another thread may log."""
    capture, before = structlog.testing.LogCapture(), structlog.get_config()["processors"]
    structlog.configure(processors=[capture])
    try:
        yield capture.entries
    finally:
        structlog.configure(processors=before)


class Life(RuleBasedStateMachine):
    """Everything that can happen to messages and jobs."""

    process: Process | None

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.flags: dict[str, str] = {}
        self.broker, self.process = Broker(), None
        self.stack.enter_context(wall_clock_of(lambda: self.ahead))
        self.logged = self.stack.enter_context(captured())
        self.lock: sqlite3.Connection | None = None
        self.asked: dict[tuple[str, str, str, str], Asked] = defaultdict(Asked)
        self.finals: dict[str, int] = defaultdict(int)  # final states of each job that were shown, or lost with a life
        self.lives: dict[str, int] = defaultdict(lambda: 1)
        self.done: set[str] = set()  # jobs whose answer was shown and who were not replayed since
        self.removed: set[str] = set()  # jobs and messages that retention removed
        self.base: dict[str, int] = {}
        self.requests = 0  # of programs

    # Where it is kept; tests/jobs/test_life_on_postgres.py has others

    url = ""  # a file in the folder
    expected: frozenset[str] = frozenset({"write failed"})  # errors in the log

    @staticmethod
    def refusals_of(process: Process) -> Any:
        """What has its transactions fail."""
        return Refusals(sqlite_of(process.store))

    # Lives of the process

    @initialize()
    def begin(self) -> None:
        """A process starts on what is there."""
        ahead = self.ahead
        flag = lambda task, _: self.flags.get(task, "simple")  # noqa: E731 - three words
        self.process = p = Process(self.folder, TASKS, self.broker, flag, url=self.url)
        p.own.clock.ahead = ahead
        self.refusals = self.refusals_of(p)
        before = p.all_jobs()
        self.guests = [p.guest(name, *ROOMS) for name in ("ann", "ben")]
        self.shown = 0
        self.last_seen = {name: p.rooms[name].seq for name in ROOMS}
        for job in before.values():  # a client that joins sees what was committed and not shown any more
            if job.delivered and job.id not in self.done and job.id not in self.removed:
                self.finals[job.id] += 1
                self.done.add(job.id)
        p.start()
        p.turn()

    @property
    def ahead(self) -> float:
        """By how much both clocks are ahead of the real ones."""
        return self.process.own.clock.ahead if self.process is not None else 0.0

    @property
    def p(self) -> Process:
        """The process that runs."""
        assert self.process is not None
        return self.process

    @rule(under_way=st.booleans())
    def kill(self, under_way: bool) -> None:
        """The process dies, perhaps while a group is being committed in the thread; another takes over."""
        if under_way:
            local_of(self.p.store)._quiet_until = float("inf")
            self.p.own.rounds(1)
        self.note_shown()
        self.read_answers()
        self.unlock()
        self.p.kill()
        for asked in self.asked.values():
            asked.lost += asked.open.values()
            asked.open.clear()
        self.begin()
        self.adopt_lost()

    def adopt_lost(self) -> None:
        """What was asked of the dead process may be stored: the database says."""
        stored = self.stored_keys()
        for key, asked in self.asked.items():
            if asked.accepted is None and key in stored:
                assert asked.lost, f"{key} is stored, and was never asked for or answered busy"
                asked.accepted = stored[key]
                assert asked.accepted[1] in asked.lost
            asked.lost.clear()

    @rule(on=st.booleans())
    def write_in_thread(self, on: bool) -> None:
        """The disk is busy, or not any more."""
        local_of(self.p.store)._quiet_until = float("inf") if on else 0.0

    @rule(times=st.integers(1, 3))
    def refuse(self, times: int) -> None:
        """The next transactions fail in the middle."""
        self.refusals.left = times

    @precondition(lambda self: self.lock is None)
    @rule()
    def take_lock(self) -> None:
        """Somebody else holds the write lock."""
        self.turn()
        self.lock = sqlite3.connect(self.folder / "x.db", isolation_level=None)
        self.lock.execute("BEGIN IMMEDIATE")

    @precondition(lambda self: self.lock is not None)
    @rule()
    def unlock(self) -> None:
        """And lets it go."""
        if self.lock is not None:
            self.lock.execute("ROLLBACK")
            self.lock.close()
            self.lock = None

    @rule(seconds=st.sampled_from([0.06, 0.6, 5.0, 70.0]))
    def wait(self, seconds: float) -> None:
        """Time passes: what is due is done, and who waited too long is answered."""
        self.turn()
        self.pass_time(seconds)

    @precondition(lambda self: self.lock is None)
    @rule()
    def expire(self) -> None:
        """All deadlines pass."""
        self.turn()
        self.pass_time(1000.0)
        self.p.spawn(self.p.life.sweep())
        self.turn()

    def pass_time(self, seconds: float) -> None:
        """Both clocks go on."""
        self.p.pass_time(seconds)
        self.turn()

    @rule()
    def turn(self) -> None:
        """The process does all it can."""
        if self.lock is None:
            self.p.turn()
        else:
            self.p.own.run(_a_while())

    # What people do

    @rule(
        who=number,
        room=st.sampled_from(ROOMS),
        key=st.sampled_from(KEYS),
        text=st.sampled_from(TEXTS),
        now=st.booleans(),
    )
    def send(self, who: int, room: str, key: str, text: str, now: bool) -> None:
        """A message, or its resend, or another one under its key."""
        self.ask("message", who, room, key, text, "message:send", text=text)
        if now:
            self.turn()

    @rule(
        who=number,
        room=st.sampled_from(ROOMS),
        key=st.sampled_from(KEYS),
        name=st.sampled_from(["answer", "count"]),
        now=st.booleans(),
    )
    def create(self, who: int, room: str, key: str, name: str, now: bool) -> None:
        """A job on request, or its resend, or another one under its key."""
        self.ask("job", who, room, key, name, "job:create", task=name, args={"text": "do"})
        if now:
            self.turn()

    @rule(
        who=number,
        room=st.sampled_from(ROOMS),
        key=st.sampled_from(KEYS),
        name=st.sampled_from(["answer", "count"]),
        seconds=st.sampled_from([5.0, 70.0, 2000.0]),
        now=st.booleans(),
    )
    def delay(self, who: int, room: str, key: str, name: str, seconds: float, now: bool) -> None:
        """A program asks for a job that is to start later, in somebody's name, or asks again."""
        guest = self.guests[who % len(self.guests)]
        self.requests += 1
        id = b"delay %d" % self.requests
        self.asked["job", room, guest.name, key].open[id] = f"{name} {seconds:g}"
        job = NewJob(task=name, key=key, args={"text": "do"}, delay_s=seconds)
        self.p.spawn(_request(self.p, guest, id, room, job))
        if now:
            self.turn()
        else:
            self.p.own.rounds(2)

    def ask(self, kind: str, who: int, room: str, key: str, content: str, event: str, **data: Any) -> None:
        """Send it, and remember that it was."""
        guest = self.guests[who % len(self.guests)]
        id = self.p.ask(guest, event, room=room, key=key, **data)
        self.asked[kind, room, guest.name, key].open[id] = content

    @rule(which=number, who=number)
    def cancel(self, which: int, who: int) -> None:
        """Somebody cancels a job, whatever its state."""
        ids = list(self.p.all_jobs())
        if ids:
            self.p.ask(self.guests[who % 2], "job:cancel", job=ids[which % len(ids)])

    @rule(name=st.sampled_from(list(TASKS)), path=st.sampled_from(["simple", "queued"]))
    def set_flag(self, name: str, path: str) -> None:
        """An operator has a task take another path."""
        self.flags[name] = path

    # What comes of jobs

    @rule(which=number, how=outcomes, now=st.booleans())
    def end_run(self, which: int, how: str, now: bool) -> None:
        """An attempt on the simple path ends."""
        if self.p.runs:
            self.p.end_run(which % len(self.p.runs), OUTCOMES[how]())
        if now:
            self.turn()

    @rule(which=number, how=outcomes, times=st.integers(1, 2), now=st.booleans())
    def result(self, which: int, how: str, times: int, now: bool) -> None:
        """A worker's result arrives, once or twice; perhaps one of an attempt that is long past."""
        if self.broker.attempts:
            id, attempt = self.broker.attempts[which % len(self.broker.attempts)]
            for _ in range(times):
                self.p.result(id, attempt, OUTCOMES[how]())
        if now:
            self.turn()

    @rule(which=number, run=st.sampled_from(["r1", "r2", "r3", "r4"]))
    def announce(self, which: int, run: str) -> None:
        """A worker says that it has begun, perhaps after another one that did and died."""
        if self.broker.attempts:
            id, attempt = self.broker.attempts[which % len(self.broker.attempts)]
            self.p.life.announced(id, attempt, run, None)

    @rule(which=number, now=st.booleans())
    def park(self, which: int, now: bool) -> None:
        """The broker has had an attempt for a while."""
        if self.broker.attempts:
            place = which % len(self.broker.attempts)
            id, attempt = self.broker.attempts[place]
            job = self.p.life.jobs.get(id)
            if job is not None:
                self.p.life.park(job, attempt, place + 1)
        if now:
            self.turn()

    @rule(which=number, twice=st.booleans())
    def replay(self, which: int, twice: bool) -> None:
        """An operator has a dead letter tried again, perhaps twice at the same moment."""
        if self.lock is not None:
            return
        self.turn()
        dead = [job for job in self.p.all_jobs().values() if job.dead]
        if dead:
            job = dead[which % len(dead)]
            tries = [self.p.spawn(self.p.life.replay(job.id)) for _ in range(1 + twice)]
            self.p.own.run(_retried(self.p, tries))
            assert sum(_worked(each) for each in tries) == 1

    @rule(which=number)
    def drop(self, which: int) -> None:
        """An operator lets a dead letter go."""
        if self.lock is not None:
            return
        self.turn()
        dead = [job for job in self.p.all_jobs().values() if job.dead]
        if dead:
            id = dead[which % len(dead)].id
            assert self.p.own.run(self.p.store.change(lambda connection: dead_letters.drop(connection, id)))

    @precondition(lambda self: self.lock is None)
    @rule()
    def retention(self) -> None:
        """Everything that has ended is too old."""
        self.turn()
        self.calm()
        self.note_shown()
        self.read_answers()
        before = self.p.all_jobs()
        self.p.own.run(remove(self.p.store, self.ahead + 2e9, nothing_to_discard))
        left = self.p.all_jobs()
        assert {id for id, job in before.items() if not job.delivered or job.dead} <= set(left)
        self.removed |= set(before) - set(left)
        stored = self.stored_keys()
        for key, asked in self.asked.items():
            if asked.accepted is not None and key not in stored:
                asked.accepted = None

    # What must be true

    @invariant()
    def holds(self) -> None:
        """All of what follows, after each step."""
        if self.process is not None:
            if self.p.store.writer._group is not None:  # in the thread: memory is ahead of the ledger
                self.p.own.until(lambda: self.p.store.writer._group is None)
            self.acknowledged_is_kept_and_refused_is_not()
            self.seq_has_no_gaps()
            self.memory_agrees_with_the_ledger()
            self.slots_are_those_of_what_runs()
            self.nothing_was_logged_as_a_mistake()

    def acknowledged_is_kept_and_refused_is_not(self) -> None:
        """Each key has at most one message or job, whose ID every answer names; nothing answered busy is stored."""
        self.read_answers()
        stored = self.stored_keys()
        for key, asked in self.asked.items():
            if asked.accepted is not None:
                assert stored.get(key) == asked.accepted, f"{key} was acknowledged"
            elif key in stored:
                assert stored[key][1] in asked.open.values(), f"{key} is stored, and was answered busy"

    def seq_has_no_gaps(self) -> None:
        """In each room, stored and shown."""
        self.note_shown()
        for name in ROOMS:
            stored, base = self.p.read(partial(_seqs, room=name))
            assert sorted(stored) == list(range(base + 1, base + 1 + len(stored)))
            room = self.p.rooms[name]
            assert room.seq == room.next_seq == base + len(stored)
            assert self.last_seen[name] == room.seq

    def memory_agrees_with_the_ledger(self) -> None:
        """Also after what was refused: what an operation changed in memory was taken back."""
        life, rows = self.p.life, self.p.all_jobs()
        missing = {id for id, row in rows.items() if not row.delivered and not row.parked} - set(life.jobs)
        assert not missing, f"not held in memory: {[rows[id] for id in missing]}"
        for id, job in life.jobs.items():
            row = rows[id]
            assert not row.delivered
            for name in (
                "n",
                "room",
                "task",
                "path",
                "state",
                "attempt",
                "attempts",
                "deaths",
                "run",
                "result",
            ):
                assert getattr(job, name) == getattr(row, name), f"{name} of {job} and {row}"
            assert not job.parked  # the row of one that was loaded says so until its next step
        parked = {id for id, row in rows.items() if row.parked}
        assert life.parked_jobs == len(parked - set(life.jobs))
        for place in ROOMS:
            room = self.p.rooms[place]
            assert room.jobs == {job.n: job for job in life.jobs.values() if job.room == place}
            open_ = defaultdict(list)
            for row in rows.values():
                if row.room == place and not (row.delivered or row.delayed) and TASKS[row.task].ordered:
                    open_[row.task].append(row)
            assert {name: _places(line) for name, line in room.lines.items()} == {
                name: [row.n for row in theirs] for name, theirs in open_.items()
            }
            for ordered, line in room.lines.items():
                assert sorted(line.held) == [row.n for row in open_[ordered] if row.state in FINAL]

    def slots_are_those_of_what_runs(self) -> None:
        """A slot is taken by each attempt that runs, or is about to; nobody waits while one is free."""
        background, waiting = self.p.background, len(self.p.store.writer._other) + len(self.p.store.writer._urgent)
        assert len(self.p.runs) <= background._slots_taken <= background.limit
        if not (self.refusals.any or waiting or self.p.store.writer._group or self.lock):
            assert background._slots_taken == len(self.p.runs)
            for waits in self.p.life.jobs.values():
                live = waits.state == "accepted" and background._waiting.has(waits)
                assert not live or background._slots_taken == background.limit

    def nothing_was_logged_as_a_mistake(self) -> None:
        """Whatever happens is expected."""
        wrong = [each for each in self.logged if each["log_level"] == "error" and each["event"] not in self.expected]
        assert not wrong, wrong

    def read_answers(self) -> None:
        """What the acknowledgements say."""
        for (kind, _, name, _), asked in self.asked.items():
            acks = next(guest for guest in self.guests if guest.name == name).acks
            answered = [id for id in asked.open if id in acks]
            # The one that was accepted first: a program's request may be overtaken by an event that came after it.
            for id in sorted(answered, key=lambda id: not acks[id]["ok"] or "duplicate" in acks[id]):
                self.check_answer(asked, asked.open.pop(id), acks[id], kind)

    @staticmethod
    def check_answer(asked: Asked, content: str, ack: dict[str, Any], kind: str) -> None:
        """One answer, given what was answered before under this key."""
        if not ack["ok"]:
            if ack["error"]["code"] == "conflict":
                assert asked.accepted is not None
                assert asked.accepted[1] != content
            else:
                assert ack["error"]["code"] == "busy"
        elif asked.accepted is None:
            assert "duplicate" not in ack
            asked.accepted = ack[kind]["id"], content
        else:
            assert ack.get("duplicate"), "stored twice"
            assert asked.accepted == (ack[kind]["id"], content)

    def stored_keys(self) -> dict[tuple[str, str, str, str], tuple[str, str]]:
        """ID and content of what is stored under each key."""
        found = self.p.read(lambda c: list(c.execute(select(messages).where(messages.c.key.is_not(None)))))
        theirs = {("message", row.room, row.sender_id, row.key): (row.id, row.text) for row in found}
        for job in self.p.all_jobs().values():
            if job.key is not None:
                later = json.loads(job.asked or "{}").get("delay_s")
                content = f"{job.task} {later:g}" if later else job.task
                theirs["job", job.room, job.sender_id or "", job.key] = (job.id, content)
        return theirs

    def note_shown(self) -> None:
        """What rooms were shown since the last look: numbers in order, one final state a life, and in the order asked."""
        rows = self.p.all_jobs()
        received = self.guests[0].received
        for event, data in received[self.shown :]:
            if event == "message:new":
                assert data["seq"] == self.last_seen[data["room"]] + 1
                self.last_seen[data["room"]] = data["seq"]
            elif event == "job:update" and data["state"] in FINAL:
                self.note_final(data, rows)
            elif event == "job:update" and data["state"] == "accepted" and data["id"] in self.done:
                self.done.discard(data["id"])  # replayed
                self.lives[data["id"]] += 1
        self.shown = len(received)

    def note_final(self, data: dict[str, Any], rows: dict[str, Job]) -> None:
        """A job's answer was shown."""
        id = data["id"]
        self.finals[id] += 1
        self.done.add(id)
        assert self.finals[id] == self.lives[id], f"two answers: {data}"
        if TASKS[data["task"]].ordered and data["state"] != "cancelled" and id in rows:
            before = [
                row
                for row in rows.values()
                if row.room == data["room"] and row.task == data["task"] and row.n < rows[id].n and not _never_due(row)
            ]
            assert all(row.id in self.done for row in before), f"answered before its turn: {data}"

    # The end

    def calm(self) -> None:
        """What was refused is tried again and works."""
        self.refusals.left = 0
        for _ in range(3):
            self.pass_time(0.6)
        self.refusals.any = False

    def teardown(self) -> None:
        """Everything is brought to an end: no job is lost, and nobody waits."""
        try:
            if self.process is not None:
                self.unlock()
                self.finish()
                self.process.kill()
        finally:
            self.unlock()
            self.stack.close()

    def finish(self) -> None:
        """Each attempt ends well, until there are none."""
        for _ in range(100):
            self.calm()
            while self.p.runs:
                self.p.end_run(0, OUTCOMES["good"]())
            for id, attempt in list(self.broker.attempts):
                self.p.result(id, attempt, OUTCOMES["good"]())
            self.turn()
            if not (self.p.life.jobs or self.p.life.parked_jobs):
                break
            self.pass_time(70.0)
        self.holds()
        for job in self.p.all_jobs().values():
            assert job.delivered, f"lost: {job}"
            assert job.state in FINAL
            assert self.finals[job.id] == self.lives[job.id], f"never shown: {job}"
        assert all(not room.lines and not room.jobs for room in self.p.rooms)
        assert not any(asked.open for asked in self.asked.values()), "somebody was never answered"
        given = {f"{id}.{attempt}".encode() for id, attempt in self.broker.attempts}
        assert given <= set(self.broker.acknowledged), "a result was never acknowledged"


def _seqs(connection: Connection, room: str) -> tuple[list[int], int]:
    """Numbers of a room's messages, and the last one before them that retention removed."""
    stored = connection.execute(select(messages.c.seq).where(messages.c.room == room)).scalars()
    return list(stored), connection.execute(select(rooms.c.seq).where(rooms.c.name == room)).scalar() or 0


def _places(line: Any) -> list[int]:
    return list(line._places[line._first :])


def _never_due(row: Job) -> bool:
    """Whether it was delayed and has not got its place in the order, or never will."""
    return row.delayed or (row.state == "cancelled" and "delay_s" in (row.asked or ""))


async def _request(process: Process, guest: Guest, id: bytes, room: str, job: NewJob) -> None:
    """What a program is answered, as an acknowledgement."""
    try:
        ack = await process.services.ask(Person(guest.name, guest.name), None, room, job)
    except Refused as refused:
        guest.acks[id] = {"ok": False, "error": refused.as_error()}
    else:
        guest.acks[id] = json.loads(msgspec.json.encode(ack))


def _worked(attempt: asyncio.Task[Any]) -> bool:
    error = attempt.exception()
    assert error is None or isinstance(error, Refused)
    return error is None


async def _a_while() -> None:
    """For a process that waits for a lock there is no moment at which it has nothing to do."""
    for _ in range(10):
        await asyncio.sleep(0.0005)


async def _retried(process: Process, tasks: list[asyncio.Task[Any]]) -> None:
    """Wait for these, and let pass the time after which what was refused is tried again."""
    while not all(task.done() for task in tasks):
        await asyncio.wait(tasks, timeout=0.005)
        process.pass_time(0.1)


COMMON = settings(
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=os.environ.get("CI") == "true",  # always the same cases there; others are looked for everywhere else
)


class TestLife(Life.TestCase):  # type: ignore[misc, valid-type]  # made at run time
    """Some lives."""

    settings = settings(COMMON, max_examples=20)


@pytest.mark.slow
class TestManyLives(Life.TestCase):  # type: ignore[misc, valid-type]  # as above
    """Many."""

    settings = settings(COMMON, max_examples=100)
