"""One attempt: value in, value out, whatever the task does."""

from __future__ import annotations

import contextlib
import decimal
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from app.concurrency import DeadlineReached
from app.contract import MAX_TRACEBACK_BYTES
from app.jobs.executor import execute, shortened
from app.tasks import Line, Links, Task, task
from ml_clients import ModelAnswerInvalid, ModelRefused, ModelTimeout, ModelUnavailable


def raising(error: BaseException) -> Task:
    """A task that raises."""

    @task
    def boom() -> dict[str, int]:
        raise error

    return boom


def test_a_success_holds_the_result_and_its_time() -> None:
    @task
    def double(number: int) -> dict[str, int]:
        return {"number": 2 * number}

    outcome = execute(double, b'{"number": 4}', None)
    assert (outcome.state, outcome.result, outcome.error) == ("succeeded", b'{"number":8}', None)
    assert outcome.ms is not None
    assert outcome.ms >= 0


def test_arguments_and_result_go_through_json() -> None:
    seen: list[Any] = []

    @task
    def look(pair: tuple[int, int]) -> dict[str, list[int]]:
        seen.append(pair)
        return {"pair": (1, 2)}  # type: ignore[dict-item]  # what JSON makes of it is the point

    outcome = execute(look, b'{"pair": [3, 4]}', None)
    assert seen == [[3, 4]]
    assert outcome.result == b'{"pair":[1,2]}'


def test_history_and_links_are_filled_in() -> None:
    @task(history=2)
    def both(history: list[Line], links: Links) -> dict[str, Any]:
        return {"history": history, "links": links}

    given = {"history": [{"sender": "Ann", "text": "hi"}]}
    links = {"get": "http://a", "put": "http://b"}
    outcome = execute(both, msgspec.json.encode(given), links)
    assert msgspec.json.decode(outcome.result or b"") == {**given, "links": links}


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (ModelTimeout("late"), "model_timeout", True),
        (ModelUnavailable("away"), "model_unavailable", True),
        (ModelRefused("no"), "model_refused", False),
        (ModelAnswerInvalid("what"), "model_answer_invalid", False),
        (DeadlineReached("late"), "timeout", True),
        (ValueError("wrong"), "task_error", False),
        (RecursionError(), "task_error", False),
        (MemoryError(), "task_error", False),
    ],
)
def test_what_a_task_raises_is_its_outcome(error: Exception, code: str, retryable: bool) -> None:
    outcome = execute(raising(error), b"{}", None)
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.retryable) == (code, retryable)
    assert outcome.error.message


def test_an_error_without_words_names_its_place() -> None:
    error = execute(raising(ZeroDivisionError()), b"{}", None).error
    assert error is not None
    assert error.message.startswith("ZeroDivisionError in boom")


@pytest.mark.parametrize(
    "value", [{"number": "x"}, None, 7, {"number": object()}, {"number": decimal.Decimal(1)}, {1, 2}]
)
def test_a_result_that_does_not_fit_is_a_failure(value: Any) -> None:
    @task
    def wrong() -> dict[str, int]:
        return value  # type: ignore[no-any-return]  # what is wrong is the point

    outcome = execute(wrong, b"{}", None)
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert not outcome.error.retryable


def test_arguments_the_function_does_not_take_are_a_failure() -> None:
    @task
    def none() -> dict[str, int]:
        return {}

    assert execute(none, b'{"more": 1}', None).state == "failed"


def test_the_guard_is_around_the_run_and_may_end_it() -> None:
    @contextlib.contextmanager
    def guard(seconds: float) -> Iterator[None]:
        assert seconds > 5
        yield
        raise DeadlineReached("not done within 5 s")

    @task(timeout=5)
    def slow() -> dict[str, int]:
        return {}

    outcome = execute(slow, b"{}", None, guard)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.retryable) == ("timeout", True)


def _below(number: int) -> int:
    return 1 // number


def test_what_a_task_raises_is_placed_in_its_own_file_and_has_a_traceback_from_there_on() -> None:
    @task
    def reckless() -> dict[str, int]:
        decimal.Decimal("what")  # a library raises; the task's own line is what its author looks for
        return {"number": 0}

    outcome = execute(reckless, b"{}", None)

    line = reckless.function.__code__.co_firstlineno + 2
    assert outcome.raised_at == f"tests/jobs/test_executor.py:{line}"
    assert outcome.error is not None
    assert outcome.error.traceback is not None
    assert 'executor.py", line' not in outcome.error.traceback.replace("test_executor.py", "")
    assert outcome.error.traceback.startswith("Traceback (most recent call last)")
    assert outcome.error.traceback.rstrip().splitlines()[-1].startswith("decimal.InvalidOperation")


def test_a_function_of_the_same_file_is_its_own_too() -> None:
    @task
    def divides() -> dict[str, int]:
        return {"number": _below(0)}

    outcome = execute(divides, b"{}", None)
    assert outcome.raised_at == f"tests/jobs/test_executor.py:{_below.__code__.co_firstlineno + 1}"


@pytest.mark.parametrize("error", [ModelTimeout("late"), ModelUnavailable("away"), DeadlineReached("late")])
def test_what_is_in_the_nature_of_things_needs_no_traceback(error: Exception) -> None:
    outcome = execute(raising(error), b"{}", None)
    assert outcome.raised_at is None
    assert outcome.error is not None
    assert outcome.error.traceback is None


def test_a_task_that_asks_its_process_to_end_has_failed() -> None:
    """In a green thread it would end the web process."""
    outcome = execute(raising(SystemExit(3)), b"{}", None)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.message) == ("task_error", "SystemExit: 3")


def test_a_long_traceback_keeps_its_end() -> None:
    text = shortened("é" * 100_000 + "the error")
    assert len(text.encode()) <= MAX_TRACEBACK_BYTES
    assert text.startswith("...\n")
    assert text.endswith("éthe error")
