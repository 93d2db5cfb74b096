"""Who is in a room, and what a room is told of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contract import Person
from app.members import MAX_NAMED, PAGE, Members

ANN, BEN = Person("a", "Ann"), Person("b", "Ben")


@pytest.fixture
def here() -> Members:
    return Members()


def people(count: int) -> list[Person]:
    return [Person(f"{number:04}", f"Guest {number}") for number in range(count)]


def test_a_second_connection_is_no_second_person(here: Members) -> None:
    here.add(ANN)
    here.add(ANN)
    here.changes("r")
    here.remove(ANN)
    assert (here.page(), here.changes("r")) == (([ANN], False), None)
    here.remove(ANN)
    changes = here.changes("r")
    assert changes
    assert (changes.joined, changes.left, changes.count) == ([], ["a"], 0)


def test_who_comes_and_goes_in_between_is_not_told(here: Members) -> None:
    here.add(ANN)
    here.changes("r")
    here.add(BEN)
    here.remove(BEN)
    here.remove(ANN)
    here.add(ANN)
    assert here.changes("r") is None


def test_another_name_is_told(here: Members) -> None:
    here.add(ANN)
    here.changes("r")
    here.add(Person("a", "Annie"))
    changes = here.changes("r")
    assert changes
    assert (changes.joined, changes.left) == ([Person("a", "Annie")], [])


def test_many_are_told_by_their_number_alone(here: Members) -> None:
    for person in people(MAX_NAMED + 1):
        here.add(person)
    changes = here.changes("r")
    assert changes
    assert (changes.joined, changes.left, changes.count) == ([], [], MAX_NAMED + 1)


def test_pages_have_everybody_once(here: Members) -> None:
    everybody = people(PAGE * 2 + 1)
    for person in reversed(everybody):
        here.add(person)
    seen: list[Person] = []
    more = True
    while more:
        page, more = here.page(seen[-1].id if seen else None)
        assert len(page) <= PAGE
        seen += page
    assert seen == everybody


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "tell"]), st.integers(0, 5))))
def test_what_is_told_adds_up_to_who_is_here(steps: list[tuple[str, int]]) -> None:
    here, connections, told = Members(), [0] * 6, set[str]()
    for step, number in [*steps, ("tell", 0)]:
        person = Person(str(number), f"Guest {number}")
        if step == "add":
            here.add(person)
            connections[number] += 1
        elif step == "remove" and connections[number]:
            here.remove(person)
            connections[number] -= 1
        elif step == "tell" and (changes := here.changes("r")):
            told = (told | {person.id for person in changes.joined}) - set(changes.left)
            assert changes.count == len(told)
    assert told == {str(number) for number, count in enumerate(connections) if count}
    assert here.count == len(told)
