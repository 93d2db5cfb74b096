"""The light half: joining, writing, leaving, typing and members, as the contract has them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from tests.conftest import Site
from tests.guest import Guest, Raw

Come = Callable[..., Guest]


def test_joining_a_new_room_finds_nothing_but_oneself(site: Site, guests: Come, room: str) -> None:
    joined = guests(site.url, "Ann").join(room)
    assert joined["seq"] == 0
    assert joined["messages"] == joined["jobs"] == []
    assert joined["members"] == [{"id": "Ann", "name": "Ann"}]
    assert "more" not in joined
    assert "reset" not in joined


def test_the_ack_holds_the_message_that_everybody_sees(ann: Guest, ben: Guest, room: str) -> None:
    message = ann.say(room, "Good morning", key="first")
    assert (message["seq"], message["key"], message["kind"]) == (1, "first", "user")
    assert message["sender"] == {"id": "Ann", "name": "Ann"}
    assert ann.saw("message:new", seq=1) == ben.saw("message:new", seq=1) == message


@pytest.mark.parametrize(
    "text",
    [
        "\tindented\nand broken",
        "a\u0301 \u202e right to left \u200f",
        "\x7f\x85\ufeff\uffff",
        "👩‍⚕️" * 1638 + "é",
        "𝄞" * 8192,
    ],
    ids=["tab and newline", "marks", "odd but allowed", "emoji", "the longest"],
)
def test_text_is_kept_as_it_was_written(ann: Guest, ben: Guest, room: str, text: str) -> None:
    assert ann.say(room, text)["text"] == text
    assert ben.saw("message:new", seq=1)["text"] == text
    assert ann.join(room)["messages"][0]["text"] == text


def test_seq_counts_by_one_and_everybody_sees_the_same_order(site: Site, guests: Come, room: str) -> None:
    people = [guests(site.url, name) for name in ("Ann", "Ben", "Cem")]
    for person in people:
        person.join(room)
    talking = [
        threading.Thread(target=lambda p=person: [p.say(room, f"{p.name} {n}") for n in range(10)]) for person in people
    ]
    for each in talking:
        each.start()
    for each in talking:
        each.join()
    for person in people:
        person.saw("message:new", seq=30)
    seen = [[(m["seq"], m["id"]) for m in person.all("message:new")] for person in people]
    assert [seq for seq, _ in seen[0]] == list(range(1, 31))
    assert seen[0] == seen[1] == seen[2]


def test_a_resent_message_is_the_same_message(ann: Guest, ben: Guest, room: str) -> None:
    first = ann.say(room, "Once", key="k")
    again = ann.ok("message:send", {"room": room, "key": "k", "text": "Once"})
    assert again == {"ok": True, "message": first, "duplicate": True}
    ann.say(room, "After it")
    ben.saw("message:new", seq=2)
    assert [m["text"] for m in ben.all("message:new")] == ["Once", "After it"]


def test_a_key_means_one_content(ann: Guest, room: str) -> None:
    ann.say(room, "Once", key="k")
    error = ann.refused("message:send", {"room": room, "key": "k", "text": "Twice"})
    assert (error["code"], error["field"]) == ("conflict", "key")


def test_the_same_key_of_somebody_else_or_in_another_room_is_another_message(ann: Guest, ben: Guest, room: str) -> None:
    other = f"{room}.other"
    ann.join(other)
    messages = [ann.say(room, "Mine", key="k"), ben.say(room, "Mine", key="k"), ann.say(other, "Mine", key="k")]
    assert len({message["id"] for message in messages}) == 3
    assert [message["seq"] for message in messages] == [1, 2, 1]


def test_an_id_outlives_the_connection_and_is_the_name_by_default(site: Site, guests: Come, room: str) -> None:
    def say(name: str, **auth: str) -> bool:
        guest = guests(site.url, name, **auth)
        guest.join(room)
        ack = guest.ok("message:send", {"room": room, "key": "k", "text": "Hello"})
        guest.close()
        return "duplicate" in ack

    assert not say("Ann")
    assert say("Ann")
    assert say("Annie", id="Ann")
    assert not say("Ann", id="another Ann")


def test_members_come_and_go_in_the_sight_of_all(site: Site, guests: Come, ann: Guest, room: str) -> None:
    ben = guests(site.url, "Ben", id="b-1")
    assert ben.join(room)["members"] == [{"id": "Ann", "name": "Ann"}, {"id": "b-1", "name": "Ben"}]
    ann.wait(lambda _: any({"id": "b-1", "name": "Ben"} in told["joined"] for told in ann.all("room:members", count=2)))
    ben.close()
    ann.saw("room:members", joined=[], left=["b-1"], count=1)


def test_a_second_tab_is_no_second_member(site: Site, guests: Come, ann: Guest, room: str) -> None:
    joined = guests(site.url, "Ann").join(room)
    assert joined["members"] == [{"id": "Ann", "name": "Ann"}]
    assert joined["member_count"] == 1


def test_who_is_here_can_be_asked(site: Site, guests: Come, ann: Guest, ben: Guest, room: str) -> None:
    both = [{"id": "Ann", "name": "Ann"}, {"id": "Ben", "name": "Ben"}]
    assert ann.ok("room:who", {"room": room}) == {"ok": True, "members": both, "count": 2}
    assert ann.ok("room:who", {"room": room, "after": "Ann"}) == {"ok": True, "members": both[1:], "count": 2}
    assert ann.refused("room:who", {"room": f"{room}-other"})["code"] == "not_in_room"


def test_typing_is_seen_by_the_others(ann: Guest, ben: Guest, room: str) -> None:
    for on in (True, False):
        assert ann.ok("typing", {"room": room, "on": on}) == {"ok": True}
        assert ben.saw("typing", on=on)["sender"] == {"id": "Ann", "name": "Ann"}
    ben.say(room, "I see")
    ann.saw("message:new", seq=1)
    assert ann.all("typing") == []


def test_who_has_left_hears_nothing_more(ann: Guest, ben: Guest, room: str) -> None:
    assert ben.ok("room:leave", {"room": room}) == {"ok": True}
    ann.say(room, "Is he gone?")
    error = ben.refused("message:send", {"room": room, "key": "k", "text": "Hello?"})
    assert (error["code"], error["field"]) == ("not_in_room", "room")
    assert ben.all("message:new") == []


def test_history_goes_back_from_a_message(ann: Guest, room: str) -> None:
    for number in range(1, 8):
        ann.say(room, f"number {number}")
    past = ann.ok("room:history", {"room": room, "before": 6, "limit": 3})
    assert [m["seq"] for m in past["messages"]] == [3, 4, 5]
    assert {job["message"] for job in past["jobs"]} == {3, 4, 5}
    assert ann.ok("room:history", {"room": room, "before": 1})["messages"] == []


def test_joining_after_a_message_gives_those_after_it(site: Site, guests: Come, ann: Guest, room: str) -> None:
    for number in range(1, 6):
        ann.say(room, f"number {number}")
    ben = guests(site.url, "Ben")
    joined = ben.join(room, after=3)
    assert (joined["seq"], [m["seq"] for m in joined["messages"]]) == (5, [4, 5])
    assert ben.join(room, after=5)["messages"] == []
    assert [m["seq"] for m in ben.join(room, after=0)["messages"]] == [1, 2, 3, 4, 5]


def test_joining_after_a_message_that_never_was_starts_over(ann: Guest, room: str) -> None:
    ann.say(room, "the only one")
    joined = ann.join(room, after=2)
    assert joined["reset"] is True
    assert [m["seq"] for m in joined["messages"]] == [1]


def test_the_waiting_time_is_whole_seconds(ann: Guest, ben: Guest, room: str) -> None:
    ann.say(room, "Is anybody there?")
    ben.say(room, "Yes")
    assert isinstance(ann.join(room)["wait"], int)


@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket")], ids=["polling", "upgrade"])
def test_chat_works_without_websockets_too(
    site: Site, guests: Come, ann: Guest, room: str, transports: tuple[str, ...]
) -> None:
    ben = guests(site.url, "Ben", transports)
    ben.join(room)
    ben.say(room, "Hello from behind a proxy")
    ann.say(room, "Welcome")
    assert ann.saw("message:new", seq=1)["text"] == "Hello from behind a proxy"
    assert ben.saw("message:new", seq=2)["text"] == "Welcome"
    assert set(ben.found(2, "language")) >= {"language"}


@pytest.mark.parametrize(
    ("auth", "field"),
    [
        ([], None),
        ("Ann", None),
        ({"id": "Ann"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": 7}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": "Ann", "id": ""}, "id"),
        ({"name": "Ann", "admin": True}, "admin"),
    ],
)
def test_a_guest_without_a_proper_name_is_not_let_in(site: Site, auth: object, field: str | None) -> None:
    if site.asks_tokens:
        pytest.skip("names are in tokens there: test_tokens.py")
    bare = Raw(site.url, auth)
    assert bare.answer.startswith("44{")
    error = json.loads(bare.answer[2:])["data"]
    bare.close()
    assert (error["code"], error.get("field")) == ("bad_request", field)
    assert error["message"]
