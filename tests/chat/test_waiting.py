"""How long people wait for an answer."""

from __future__ import annotations

from app.chat.waiting import REMEMBERED, Waiting


def wrote(*lines: tuple[str, str, float]) -> int:
    """The waiting time after these messages of room, sender and time."""
    waiting = Waiting()
    for room, sender, at in lines:
        waiting.wrote(room, sender, at)
    return waiting.seconds()


def test_nothing_is_known_at_first() -> None:
    assert wrote() == 0
    assert wrote(("a", "ann", 0), ("a", "ann", 50)) == 0


def test_it_is_the_time_from_the_first_question_to_the_first_answer() -> None:
    assert wrote(("a", "ann", 0), ("a", "ann", 50), ("a", "ben", 60)) == 60


def test_an_answer_opens_no_question() -> None:
    assert wrote(("a", "ann", 0), ("a", "ben", 10), ("a", "ann", 500), ("a", "ben", 510)) == 10


def test_rooms_do_not_mix() -> None:
    assert wrote(("a", "ann", 0), ("b", "ben", 10), ("a", "cem", 30)) == 30


def test_it_is_the_median_and_not_spoilt_by_one_long_night() -> None:
    lines = []
    for number, seconds in enumerate((10, 20, 30, 40, 90_000)):
        lines += [(f"{number}", "ann", 0.0), (f"{number}", "ben", float(seconds))]
    assert wrote(*lines) == 30


def test_only_the_last_answers_count() -> None:
    waiting = Waiting()
    for number, seconds in enumerate([1000.0] * 50 + [5.0] * REMEMBERED):
        waiting.wrote(str(number), "ann", 0)
        waiting.wrote(str(number), "ben", seconds)
    assert waiting.seconds() == 5


def test_a_clock_that_jumps_back_gives_no_negative_wait() -> None:
    assert wrote(("a", "ann", 100), ("a", "ben", 50)) == 1


def test_an_answer_at_once_is_not_taken_for_nothing_known() -> None:
    assert wrote(("a", "ann", 0), ("a", "ben", 0.2)) == 1
