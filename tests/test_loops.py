"""What is done for as long as the process lives: one that fails is logged, counted, and goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app.loops import CANNOT_RUN, MAX_PAUSE_SECONDS, RESTART_SECONDS, STEADY_SECONDS, Loops
from tests.guest import WAIT
from tests.own_loop import OwnLoop
from tests.run.test_supervisor import until
from tests.web import Web


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    """A loop whose clock a test moves on."""
    made = OwnLoop()
    yield made
    made.close()


class Step:
    """Something that fails so many times, and works from then on."""

    def __init__(self, failures: int) -> None:
        self.failures, self.calls = failures, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise ValueError("not yet")

    async def awaited(self) -> None:
        """The same for a coroutine."""
        self()


def pass_time(own: OwnLoop, seconds: float) -> None:
    """The loop's clock goes on, and what is due is done."""
    own.clock.ahead += seconds
    own.rounds(3)


@pytest.mark.parametrize("kind", ["tick", "every", "keep"])
def test_one_that_fails_goes_on_and_is_counted_until_it_works(own: OwnLoop, kind: str) -> None:
    loops, step, counted = Loops(own.loop), Step(CANNOT_RUN), list[str]()
    loops.on_failure = counted.append
    if kind == "tick":
        loops.tick(1.0, "chores", step)
    elif kind == "every":
        loops.every(1.0, "chores", step.awaited)
    else:
        loops.keep("chores", step.awaited)
    for number in range(CANNOT_RUN):
        assert loops.cannot_run() == []
        own.until(lambda wanted=number + 1: _at_least(own, step, wanted))  # type: ignore[misc]  # default: see B023
    assert counted == ["chores"] * CANNOT_RUN
    assert loops.cannot_run() == ["chores"]
    own.until(lambda: _at_least(own, step, CANNOT_RUN + 1))
    assert loops.cannot_run() == []
    assert loops.failing == {}


def _at_least(own: OwnLoop, step: Step, calls: int) -> bool:
    own.clock.ahead += 0.1
    return step.calls >= calls


def test_pauses_double_while_it_fails_and_have_an_end(own: OwnLoop) -> None:
    loops = Loops(own.loop)
    pauses = []
    for _ in range(12):
        pauses.append(loops.pause(1.0, "chores"))
        loops.failed("chores", ValueError("again"))
    assert pauses[:4] == [1.0, 2.0, 4.0, MAX_PAUSE_SECONDS]
    assert set(pauses[3:]) == {MAX_PAUSE_SECONDS}
    assert loops.pause(3600.0, "chores") == 3600.0


def test_one_that_is_done_is_not_run_again_and_one_that_was_stopped_neither(own: OwnLoop) -> None:
    loops, done, stopped = Loops(own.loop), Step(0), Step(0)
    loops.keep("connect", done.awaited)
    stop = loops.tick(1.0, "chores", stopped)
    own.rounds(3)
    stop()
    pass_time(own, 100)
    assert (done.calls, stopped.calls) == (1, 0)


def test_a_thread_that_fails_is_run_again_and_counts_as_mended_when_it_stays_up(own: OwnLoop) -> None:
    loops, step, counted = Loops(own.loop), Step(1), list[str]()
    loops.on_failure = counted.append
    loops.in_thread(own, "writer", step)
    own.until(lambda: counted)
    assert loops.failing == {"writer": 1}
    own.join()  # run again, and at its end this time
    assert step.calls == 2
    pass_time(own, 2 * RESTART_SECONDS + STEADY_SECONDS)
    assert loops.failing == {}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eventlet", "threading"])
def test_readyz_is_red_while_a_loop_cannot_run_and_green_again_when_it_can(tmp_path: Path, mode: str) -> None:
    with Web(tmp_path, ASYNC_MODE=mode) as web:
        assert ready(web.url) == (200, [])
        database = sqlite3.connect(tmp_path / "spillway.db", isolation_level=None, timeout=WAIT)
        database.execute("ALTER TABLE flags RENAME TO flags_away")
        until(lambda: ready(web.url) == (503, ["loop:flags"]), "it stays green")
        assert 'spillway_loop_failures_total{loop="flags"}' in requests.get(f"{web.url}/metrics", timeout=WAIT).text
        database.execute("ALTER TABLE flags_away RENAME TO flags")
        until(lambda: ready(web.url) == (200, []), "it stays red")
        database.close()
    assert "a loop failed and goes on" in web.log.read_text()
    assert "a loop works again" in web.log.read_text()


def ready(url: str) -> tuple[int, list[str]]:
    """Status and what is missing."""
    answer = requests.get(f"{url}/readyz", timeout=WAIT)
    return answer.status_code, answer.json()["missing"]
