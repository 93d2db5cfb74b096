"""Who is where."""

from __future__ import annotations

from app.chat.people import Client, People
from app.messages import Person


def test_two_tabs_are_one_member_until_both_are_closed() -> None:
    people = People()
    tabs = [Client(sid, Person("ann", "Ann"), "") for sid in ("1", "2")]
    for tab in tabs:
        people.connected(tab)
    assert [people.join(tab, "lobby") for tab in tabs] == [True, False]
    people.disconnected("1")
    assert people.members("lobby") == [{"id": "ann", "name": "Ann"}]
    people.disconnected("2")
    assert people.members("lobby") == []
    assert len(people) == 0


def test_a_connection_that_goes_still_knows_its_rooms() -> None:
    people = People()
    ann = Client("1", Person("ann", "Ann"), "")
    people.connected(ann)
    people.join(ann, "a")
    people.join(ann, "b")
    people.leave(ann, "a")
    gone = people.disconnected("1")
    assert gone is ann
    assert gone.rooms == {"b"}
    assert people.disconnected("1") is None


def test_empty_rooms_are_forgotten() -> None:
    people = People()
    ann = Client("1", Person("ann", "Ann"), "")
    for number in range(100):
        people.join(ann, str(number))
        people.leave(ann, str(number))
    assert people._rooms == {}
