"""Nothing that people have seen of a text is lost, whoever is killed while it grows; and it is told to its end once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import socketio.exceptions

from app.compare.system import System
from tests.guest import WAIT, Guest
from tests.streams.test_streams import joined

STORY = "".join(f"word {n} " for n in range(60))
Come = Callable[..., Guest]


class Watcher:
    """Somebody who stays in a room whatever happens to the server, and keeps what they saw of a job's text."""

    def __init__(self, system: System, guests: Come, room: str) -> None:
        self._system, self._guests, self.room = system, guests, room
        self.guest = guests(system.url, "Ann")
        self.guest.join(room)

    def ask(self) -> str:
        """Ask for a story."""
        return str(self.guest.ask(self.room, "story", words=60)["id"])

    def shown(self, job: str) -> str:
        """What this connection saw grow of the job's newest attempt."""
        deltas = self.guest.all("job:delta", job=job)
        newest = max((delta["attempt"] for delta in deltas), default=0)
        return joined([delta for delta in deltas if delta["attempt"] == newest])

    def sees_some(self, job: str) -> str:
        """What was shown once it is more than a few words."""
        self.guest.wait(lambda seen: len(self.shown(job)) > 60)
        return self.shown(job)

    def come_back(self) -> dict[str, Any]:
        """Join anew, as soon as there is a server; returns what the room has by job."""
        until = time.monotonic() + WAIT
        while True:
            try:
                self.guest = self._guests(self._system.url, "Ann")
                return {job["id"]: job for job in self.guest.join(self.room, after=0)["jobs"]}
            except (socketio.exceptions.SocketIOError, OSError):
                assert time.monotonic() < until, "the server did not come back"
                time.sleep(0.05)


KILLED: list[float] = []  # when, on the monotonic clock

AGAIN = 2  # further kills of each kind; ten were made when this was built (docs/guarantees.md)


def rest() -> None:
    """The supervisor ends a system of which a part dies five times in 30 s: leave it time between kills."""
    if len(KILLED) >= 4:
        time.sleep(max(0.0, KILLED[-4] + 31 - time.monotonic()))


def kill(system: System, part: str) -> None:
    """kill -9 one part, and wait until it is gone; its supervisor starts it again."""
    KILLED.append(time.monotonic())
    process = system.parts()[part]
    process.kill()
    psutil.wait_procs([process], 10)


def told_once(watcher: Watcher, job: str, so_far: str) -> None:
    """The job ends well; its text is the story, and what was shown of its last attempt is all of it."""
    final = watcher.guest.final(job)
    assert final["state"] == "succeeded"
    assert final["result"]["text"] == STORY
    deltas = [each for each in watcher.guest.all("job:delta", job=job) if each["attempt"] == final["attempt"]]
    start = so_far if deltas and deltas[0]["offset"] else ""
    assert joined(deltas, start) == STORY
    ends = [each for each in watcher.guest.all("job:update", id=job) if each["state"] == "succeeded"]
    assert len(ends) == 1


def survive_web(telling: System, guests: Come, room: str) -> None:
    rest()
    watcher = Watcher(telling, guests, room)
    job = watcher.ask()
    shown = watcher.sees_some(job)
    kill(telling, "web process")
    shown = max(shown, watcher.shown(job), key=len)
    found = watcher.come_back()[job]
    if found["state"] == "succeeded":  # it was over before we were back
        assert found["result"]["text"] == STORY
        return
    assert found["text"].startswith(shown)
    told_once(watcher, job, found["text"])


def survive_worker(telling: System, guests: Come, room: str) -> None:
    rest()
    watcher = Watcher(telling, guests, room)
    job = watcher.ask()
    shown = watcher.sees_some(job)
    kill(telling, "worker")
    late = Watcher(telling, guests, room)
    (found,) = [each for each in late.guest.join(room)["jobs"] if each["id"] == job]
    assert found["text"].startswith(shown)
    told_once(watcher, job, "")
    assert watcher.guest.final(job)["attempt"] == 2


def test_a_text_survives_kill_9_of_the_web_process(telling: System, path: str, guests: Come, room: str) -> None:
    survive_web(telling, guests, room)


def test_a_text_survives_kill_9_of_the_worker(telling: System, guests: Come, room: str) -> None:
    telling.flag("queued", "story")
    survive_worker(telling, guests, room)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(AGAIN))
def test_a_text_survives_kill_after_kill_of_the_web_process(
    telling: System, path: str, guests: Come, room: str, number: int
) -> None:
    survive_web(telling, guests, room)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(AGAIN))
def test_a_text_survives_kill_after_kill_of_the_worker(telling: System, guests: Come, room: str, number: int) -> None:
    telling.flag("queued", "story")
    survive_worker(telling, guests, room)
