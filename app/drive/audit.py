"""Holding what clients were told against what the server kept: nothing lost, nothing twice, nothing out of order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.drive.client import FINAL, Books, Person

ON_MESSAGE = ("triage", "language", "sentiment")  # every user message starts these; escalate follows triage
SPEAKS = ("summarize",)  # whose every success is one message


@dataclass
class Room:
    """One room as the server tells it in the end: all messages and all jobs."""

    name: str
    messages: list[dict[str, Any]]
    jobs: list[dict[str, Any]]


@dataclass
class Findings:
    """What does not hold, each as one sentence."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Put another's findings to these."""
        self.lost += other.lost
        self.doubled += other.doubled
        self.disordered += other.disordered

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.disordered)


async def kept(url: str, name: str) -> Room:
    """Everything the server has of a room, told to somebody who was never there."""
    reader = Person(url, "Auditor", name)
    reader.books.messages[0] = {"seq": 0}  # so that the join asks for everything from the beginning
    await reader.come_back()
    await reader.close()
    del reader.books.messages[0]
    messages = [reader.books.messages[seq] for seq in sorted(reader.books.messages)]
    return Room(name, messages, list(reader.books.jobs.values()))


def audit(room: Room, books: Iterable[Books]) -> Findings:
    """Everything that is wrong in one room, given the books of everybody who was there."""
    found = Findings()
    for each in books:
        _acknowledged(room, each, found)
        _asked(room, each, found)
        _live(room, each, found)
    _sequence(room, found)
    _started(room, found)
    _answers(room, found)
    return found


def _acknowledged(room: Room, books: Books, found: Findings) -> None:
    """Every acknowledged message is there exactly once, as it was acknowledged."""
    for key, message in books.sent.items():
        sender = message["sender"]["id"]
        there = [m for m in room.messages if m.get("key") == key and m["sender"]["id"] == sender]
        if not there:
            found.lost.append(f"{room.name}: message {key} of {sender} was acknowledged and is not there")
        elif len(there) > 1:
            found.doubled.append(f"{room.name}: message {key} of {sender} is there {len(there)} times")
        elif (there[0]["seq"], there[0]["text"]) != (message["seq"], message["text"]):
            found.lost.append(f"{room.name}: message {key} of {sender} is not what was acknowledged")


def _asked(room: Room, books: Books, found: Findings) -> None:
    """Every accepted job is there once and ended."""
    for key, job in books.asked.items():
        there = [each for each in room.jobs if each["id"] == job["id"]]
        if not there:
            found.lost.append(f"{room.name}: job {key} ({job['task']}) was accepted and is not there")


def _sequence(room: Room, found: Findings) -> None:
    """seq counts up by one, from one."""
    seqs = [message["seq"] for message in room.messages]
    for seq, times in Counter(seqs).items():
        if times > 1:
            found.doubled.append(f"{room.name}: seq {seq} is there {times} times")
    if sorted(set(seqs)) != list(range(1, len(set(seqs)) + 1)):
        found.lost.append(f"{room.name}: seq has gaps: {_gaps(set(seqs))[:5]}")
    if seqs != sorted(seqs):
        found.disordered.append(f"{room.name}: messages are not in the order of seq")


def _started(room: Room, found: Findings) -> None:
    """Every user message started its jobs, once each, and every job ended in a final state."""
    by_message: dict[int, Counter[str]] = defaultdict(Counter)
    for job in room.jobs:
        if job["state"] not in FINAL:
            found.lost.append(f"{room.name}: job {job['id']} ({job['task']}) never ended, it is {job['state']}")
        if job.get("message") is not None and job.get("key") is None:
            by_message[job["message"]][job["task"]] += 1
    for message in room.messages:
        if message["kind"] != "user":
            continue
        for task in ON_MESSAGE:
            times = by_message[message["seq"]][task]
            if times != 1:
                kind = found.lost if times == 0 else found.doubled
                kind.append(f"{room.name}: message {message['seq']} has {times} {task} jobs")


def _answers(room: Room, found: Findings) -> None:
    """A job speaks at most once, one that succeeded and speaks exactly once, in the order in which jobs were asked."""
    spoken = Counter(message["job"] for message in room.messages if message.get("job"))
    for job, times in spoken.items():
        if times > 1:
            found.doubled.append(f"{room.name}: job {job} answered {times} times")
    asked = [job for job in room.jobs if job["task"] in SPEAKS]
    for job in asked:
        if job["state"] == "succeeded" and not spoken[job["id"]]:
            found.lost.append(f"{room.name}: job {job['id']} succeeded and its answer is not there")
    order = [message["job"] for message in room.messages if message.get("job") in {job["id"] for job in asked}]
    wanted = [job["id"] for job in sorted(asked, key=lambda job: job["id"]) if job["id"] in order]  # IDs grow with time
    if list(dict.fromkeys(order)) != wanted:
        found.disordered.append(f"{room.name}: answers of one task came in another order than they were asked")


def _live(room: Room, books: Books, found: Findings) -> None:
    """What was shown live: seq grows on each connection, and outcomes come once and in the order of their messages."""
    last = 0
    for seq in books.live:
        if 0 < seq <= last:
            found.disordered.append(f"{room.name}: message {seq} came live after {last}")
        last = seq
    for id, times in books.shown.items():
        if times > 1:
            found.doubled.append(f"{room.name}: the outcome of job {id} was shown {times} times")
    for connection in books.finals:
        newest: dict[str, int] = {}
        for job in connection:
            if job.get("message") is None or job["state"] not in ("succeeded", "failed"):
                continue
            if job["message"] < newest.get(job["task"], 0):
                found.disordered.append(f"{room.name}: {job['task']} of message {job['message']} was shown too late")
            newest[job["task"]] = max(job["message"], newest.get(job["task"], 0))


def _gaps(seqs: set[int]) -> list[int]:
    return [seq for seq in range(1, max(seqs, default=0) + 1) if seq not in seqs]
