"""What a generator yields, as people see it: clean, counted in code points, bounded, whatever the pieces are cut like."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.executor import execute
from app.jobs.streamed import Growing
from app.tasks import Delta, Progress, Task, TaskDeclarationInvalid, task
from ml_clients import Stop

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")


class Heard:
    """Hears a run."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, str]] = []
        self.progress: list[str] = []

    def wrote(self, offset: int, text: str) -> None:
        """Noted."""
        self.pieces.append((offset, text))

    def progressed(self, progress: str) -> None:
        """Noted."""
        self.progress.append(progress)


class Told(TypedDict):
    """How many."""

    count: int


@given(st.lists(ANY_TEXT, max_size=12))
def test_the_text_does_not_depend_on_how_it_was_cut(pieces: list[str]) -> None:
    growing = Growing()
    given = "".join(pieces)
    for piece in pieces:
        before = growing.length
        added = growing.add(piece)
        assert growing.length == before + len(added)
    whole = given.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert growing.text == UNWANTED.sub("", whole)


@given(st.lists(st.text(max_size=3000), max_size=8))
def test_it_ends_at_8192_code_points(pieces: list[str]) -> None:
    growing = Growing()
    added = "".join(growing.add(piece) for piece in pieces)
    assert added == growing.text
    assert growing.length == len(added) <= 8192
    assert growing.truncated == (len(UNWANTED.sub("", "".join(pieces))) > 8192)


def test_halves_of_a_pair_that_come_apart_are_one_code_point() -> None:
    growing = Growing()
    assert [growing.add(piece) for piece in ("a\ud83d", "\ude00b", "\ud83d", "c\ude00")] == ["a", "😀b", "", "c"]


@task
def tell(pieces: list[str]) -> Generator[Delta | Progress, None, Told]:
    """Tell"""
    yield Progress(0.5, "half\x00way")
    for piece in pieces:
        yield Delta(piece)
    return Told(count=len(pieces))


def test_the_result_has_the_text_that_was_heard() -> None:
    heard = Heard()
    outcome = execute(tell, b'{"pieces": ["one ", "two", "\\u0001"]}', None, hear=heard)
    assert outcome.state == "succeeded", outcome.error
    assert outcome.result == b'{"count":3,"text":"one two"}'
    assert heard.pieces == [(0, "one "), (4, "two")]
    assert heard.progress == ['{"fraction":0.5,"words":"halfway"}']


def test_a_text_past_the_bound_says_so() -> None:
    outcome = execute(tell, b'{"pieces": ["%b"]}' % (b"x" * 9000), None)
    assert outcome.result is not None
    assert outcome.result.endswith(b'"truncated":true}')


@pytest.mark.parametrize("wrong", ["words", 7, None, ("a", "b")])
def test_what_is_neither_a_piece_nor_progress_fails_the_attempt(wrong: Any) -> None:
    @task
    def mumble() -> Generator[Any, None, Told]:
        """Mumble"""
        yield wrong
        return Told(count=0)

    outcome = execute(mumble, b"{}", None)
    assert outcome.error is not None
    assert outcome.error.code == "task_error"
    assert "yields Delta or Progress" in outcome.error.message


@pytest.mark.parametrize("fraction", [float("nan"), float("inf")])
def test_progress_that_is_no_number_fails_the_attempt(fraction: float) -> None:
    @task
    def rush() -> Generator[Progress, None, None]:
        """Rush"""
        yield Progress(fraction)

    outcome = execute(rush, b"{}", None)
    assert outcome.error is not None
    assert "from 0 to 1" in outcome.error.message


def test_one_that_is_stopped_goes_no_further_and_lets_its_model_go() -> None:
    stop, released, heard = Stop(), [], Heard()

    @task
    def talk() -> Generator[Delta, None, None]:
        """Talk"""
        try:
            for number in range(10):
                yield Delta(f"{number}")
                if number == 2:
                    stop.now()
        finally:
            released.append(True)

    outcome = execute(talk, b"{}", None, hear=heard, stop=stop)
    assert outcome.state == "failed"
    assert [text for _, text in heard.pieces] == ["0", "1", "2"]
    assert released == [True]


def test_a_task_that_returns_no_object_cannot_have_a_text() -> None:
    @task
    def count() -> Generator[Delta, None, int]:
        """Count"""
        yield Delta("1")
        return 1

    outcome = execute(count, b"{}", None)
    assert outcome.error is not None
    assert outcome.error.code == "result_invalid"


def declared(**options: Any) -> Task:
    """A task with these options."""

    def answer(text: str) -> dict[str, Any]:
        return {}

    made: Task = task(**options)(answer)
    return made


def test_an_overlap_that_does_not_exist_is_named() -> None:
    with pytest.raises(TaskDeclarationInvalid, match="overlap is 'perhaps', expected is one of queue, refuse, replace"):
        declared(overlap="perhaps")


def test_a_draft_says_nothing_to_the_room() -> None:
    with pytest.raises(TaskDeclarationInvalid, match="draft and says"):
        declared(draft=True, says=lambda result: None)
