"""Who is answered next, against a plain sorted list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.jobs.line import Line

places = st.integers(1, 60)
steps = st.lists(st.tuples(st.sampled_from(["join", "join", "leave", "leave first"]), places), max_size=200)


@given(steps)
def test_a_line_is_a_sorted_list(taken: list[tuple[str, int]]) -> None:
    line, expected = Line(), list[int]()
    for step, n in taken:
        if step == "join" and n not in expected:
            line.join(n)
            expected = sorted([*expected, n])
        elif step == "leave":
            line.leave(n)  # harmless when it is not there
            expected = [each for each in expected if each != n]
        elif step == "leave first" and expected:
            line.leave(expected.pop(0))
        assert line.first() == (expected[0] if expected else None)
        assert len(line) == len(expected)


def test_a_long_line_moves_on_and_keeps_no_place_of_who_has_left() -> None:
    line = Line()
    for n in range(10_000):
        line.join(n)
    for n in range(9_000):
        assert line.first() == n
        line.leave(n)
    assert len(line) == 1_000
    assert len(line._places) < 2_500


def test_who_comes_back_gets_the_old_place() -> None:
    line = Line()
    for n in (3, 5, 9):
        line.join(n)
    line.leave(3)

    line.join(3)

    assert line.first() == 3
    line.leave(3)
    assert line.first() == 5
