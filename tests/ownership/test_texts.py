"""A text that grows in a room is seen by people on every web process, and stopped from any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.several import Several
from tests.guest import Guest
from tests.streams.test_streams import joined


@pytest.mark.parametrize("path", ["simple", "queued"])
def test_a_text_grows_for_people_on_every_process(
    three: Several, people: list[Guest], guests: Callable[..., Guest], room: str, path: str
) -> None:
    three.flag(path, "reply")
    job = people[1].ask(room, "reply")  # the room is another process's
    for guest in people:
        guest.saw("job:delta", job=job["id"])
    late = guests(three.urls[2], "Dan")
    found = of(late.join(room)["jobs"], job["id"])
    for guest in people:
        final = guest.final(job["id"])
        # Who reads slowly on another process gets the last piece a moment after the end.
        wait_until_seen(guest, job, final["result"]["text"])
    final = late.final(job["id"])

    def ends_like_it(_: object) -> bool:
        after = [each for each in late.all("job:delta") if each["offset"] + len(each["text"]) > len(found["text"])]
        return bool(joined(after, found["text"]) == final["result"]["text"])

    late.wait(ends_like_it)


@pytest.mark.parametrize("path", ["simple", "queued"])
def test_it_is_stopped_from_another_process(three: Several, people: list[Guest], room: str, path: str) -> None:
    three.flag(path, "reply")
    job = people[0].ask(room, "reply")
    people[2].saw("job:delta", job=job["id"])
    people[2].ok("job:cancel", {"job": job["id"]})
    for guest in people:
        final = guest.final(job["id"])
        assert final["state"] == "cancelled"
        wait_until_seen(guest, job, final["text"])


def wait_until_seen(guest: Guest, job: dict[str, Any], text: str) -> None:
    """Wait until somebody has seen the text of a job grow to this."""
    guest.wait(lambda _: joined(guest.all("job:delta", job=job["id"])) == text)


def of(jobs: list[dict[str, Any]], id: str) -> dict[str, Any]:
    """The one of these with this ID."""
    (found,) = [each for each in jobs if each["id"] == id]
    return found
