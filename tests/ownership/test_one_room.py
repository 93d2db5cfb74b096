"""People who are connected to different web processes are in one room: what they see is the same, in one order."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import requests

from app.ownership.processes import LOOK_SECONDS
from tests.faults.several import COUNT, Several
from tests.guest import WAIT, Guest, Seen


def seqs(guest: Guest) -> list[int]:
    """The numbers of the messages that somebody was shown live."""
    return [message["seq"] for message in guest.all("message:new")]


def test_messages_are_shown_to_all_in_the_order_of_their_numbers(people: list[Guest], room: str) -> None:
    for number in range(12):
        people[number % COUNT].say(room, f"message {number}")
    for guest in people:
        guest.wait(lambda seen: sum(event == "message:new" for event, _ in seen) == 12)
        assert seqs(guest) == list(range(1, 13))


def test_a_resend_to_another_process_changes_nothing(three: Several, guests: Callable[..., Guest], room: str) -> None:
    first, again = (guests(url, "Ann", id="ann") for url in three.urls[:2])
    first.join(room)
    again.join(room)
    key = secrets.token_hex(8)
    said = first.say(room, "once", key)
    ack = again.ok("message:send", {"room": room, "key": key, "text": "once"})
    assert ack["duplicate"]
    assert ack["message"]["id"] == said["id"]


def test_who_is_here_is_the_same_everywhere(people: list[Guest], room: str) -> None:
    for guest in people:
        who = guest.ok("room:who", {"room": room})
        assert {person["name"] for person in who["members"]} == {"Ann", "Ben", "Cat"}
    people[2].ok("room:leave", {"room": room})
    for guest in people[:2]:
        guest.wait(_cat_left)


def test_one_who_types_is_seen_by_the_others_alone(people: list[Guest], room: str) -> None:
    people[1].ok("typing", {"room": room, "on": True})
    for guest in (people[0], people[2]):
        assert guest.saw("typing")["sender"]["name"] == "Ben"
    people[1].ok("typing", {"room": room, "on": False})
    people[2].wait(lambda seen: sum(event == "typing" for event, _ in seen) == 2)
    assert not people[1].all("typing")


def test_a_job_is_asked_for_and_ends_everywhere_on_both_paths(three: Several, people: list[Guest], room: str) -> None:
    for path in ("simple", "queued"):
        three.flag(path)
        _until_flag(three, path)
        job = people[2].ask(room, "language", text="Guten Morgen")
        for guest in people:
            ended = guest.final(job["id"])
            assert (ended["state"], ended["path"]) == ("succeeded", path)
    three.flag("simple")
    _until_flag(three, "simple")


def test_a_job_is_cancelled_from_where_it_was_not_asked_for(three: Several, people: list[Guest], room: str) -> None:
    job = _delayed(three.urls[1], room)
    assert people[2].ok("job:cancel", {"job": job["id"]})["job"]["state"] == "cancelled"
    for guest in people:
        assert guest.final(job["id"])["state"] == "cancelled"


def test_programs_may_ask_any_process(three: Several, people: list[Guest], room: str) -> None:
    for url in three.urls:
        body: dict[str, Any] = {
            "key": secrets.token_hex(8),
            "text": f"by {url}",
            "sender": {"id": "robot", "name": "Robot"},
        }
        answer = requests.post(f"{url}/api/rooms/{room}/messages", json=body, timeout=WAIT)
        assert answer.status_code == 201, answer.text
        again = requests.post(f"{url}/api/rooms/{room}/messages", json=body, timeout=WAIT)
        assert again.json()["duplicate"]
    for guest in people:
        guest.wait(lambda seen: sum(event == "message:new" for event, _ in seen) == COUNT)
        assert seqs(guest) == [1, 2, 3]


def test_a_job_of_a_program_is_cancelled_by_another_process(three: Several, people: list[Guest], room: str) -> None:
    job = _delayed(three.urls[1], room)
    answer = requests.delete(f"{three.urls[2]}/api/jobs/{job['id']}", timeout=WAIT)
    assert (answer.status_code, answer.json()["job"]["state"]) == (202, "cancelled")
    assert people[0].final(job["id"])["state"] == "cancelled"


def test_somebody_who_comes_back_elsewhere_gets_what_they_missed(
    three: Several, guests: Callable[..., Guest], people: list[Guest], room: str
) -> None:
    people[0].say(room, "one")
    people[2].close()
    people[1].say(room, "two")
    back = guests(three.urls[1], "Cat", id="Cat")
    ack = back.join(room, after=1)
    assert [message["text"] for message in ack["messages"]] == ["two"]


def test_operators_see_all_processes_whichever_they_ask(three: Several, people: list[Guest], room: str) -> None:
    people[0].say(room, "hello")

    def view(url: str) -> dict[str, Any]:
        return dict(requests.get(f"{url}/api/operator", timeout=WAIT).json())

    for url in three.urls:
        now = view(url)["now"]
        assert {process["address"] for process in now["processes"]} == set(three.urls)
        assert now["clients"] == sum(process["clients"] for process in now["processes"]) >= COUNT
    assert requests.get(f"{three.url}/readyz", timeout=WAIT).json()["ok"]


def test_a_stranger_in_a_new_room_is_told_nothing_of_others(three: Several, guests: Callable[..., Guest]) -> None:
    one, other = guests(three.urls[0], "Ann"), guests(three.urls[1], "Ben")
    one.join("here-" + secrets.token_hex(4))
    there = "there-" + secrets.token_hex(4)
    other.join(there)
    other.say(there, "psst")
    other.wait(_has_message)
    assert not one.all("message:new")


def _cat_left(seen: list[Seen]) -> bool:
    return any(event == "room:members" and "Cat" in change["left"] for event, change in seen)


def _has_message(seen: list[Seen]) -> bool:
    return any(event == "message:new" for event, _ in seen)


def _delayed(url: str, room: str) -> dict[str, Any]:
    """A job that is not to start yet."""
    body: dict[str, Any] = {
        "key": secrets.token_hex(8), "task": "language", "args": {"text": "hello"}, "delay_s": 3600,
        "sender": {"id": "robot", "name": "Robot"},
    }  # fmt: skip
    answer = requests.post(f"{url}/api/rooms/{room}/jobs", json=body, timeout=WAIT)
    assert answer.status_code == 202, answer.text
    return dict(answer.json()["job"])


def _until_flag(three: Several, path: str) -> None:
    """Wait until each process has read the flag: they look twice a second."""
    until = time.monotonic() + WAIT
    for url in three.urls:
        while requests.get(f"{url}/api/flags", timeout=WAIT).json()["flags"][0]["path"] != path:
            assert time.monotonic() < until
            time.sleep(LOOK_SECONDS / 4)
