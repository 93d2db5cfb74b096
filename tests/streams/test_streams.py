"""A text that grows while a job runs: the same on both paths, whoever looks and whenever they come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from app.compare.system import System
from tests.guest import Guest


def joined(deltas: list[dict[str, Any]], start: str = "") -> str:
    """The text that somebody has who puts these pieces together as the contract says."""
    text = start
    for delta in deltas:
        assert delta["offset"] <= len(text), "a piece is missing"
        text = text[: delta["offset"]] + delta["text"]
    return text


def pieces(guest: Guest, job: dict[str, Any]) -> list[dict[str, Any]]:
    """What a guest has seen of the text of a job's last attempt."""
    return guest.all("job:delta", job=job["id"], attempt=job["attempt"])


def test_the_final_text_is_what_people_saw_grow(told: Guest, room: str, path: str) -> None:
    final = told.final(told.ask(room, "story", words=40)["id"])
    assert (final["state"], final["path"]) == ("succeeded", path)
    seen = pieces(told, final)
    assert final["result"] == {"text": "".join(f"word {n} " for n in range(40)), "words": 40}
    assert joined(seen) == final["result"]["text"]
    assert [delta["offset"] for delta in seen] == sorted({delta["offset"] for delta in seen})
    assert seen[0]["offset"] == 0
    assert 2 < len(seen) < 40  # some pieces are several words: at most 20 a second
    told.wait(lambda all: any(event == "job:update" and "progress" in data for event, data in all))
    shown = [each["progress"] for each in told.all("job:update", id=final["id"]) if "progress" in each]
    assert all(0 <= each["fraction"] < 1 and each["words"].endswith("of 40") for each in shown)


def test_a_job_is_shown_before_its_first_piece(told: Guest, room: str) -> None:
    job = told.ask(room, "story", words=10)
    told.final(job["id"])
    events = [name for name, data in told.seen if job["id"] in (data.get("id"), data.get("job"))]
    assert events[0] == "job:update"


def test_who_comes_in_the_middle_gets_the_text_so_far_and_misses_nothing(
    told: Guest, telling: System, room: str, guests: Callable[..., Guest]
) -> None:
    job = told.ask(room, "story", words=60)
    come_late(told, telling, room, guests, job)


@pytest.mark.slow
def test_twenty_who_come_in_the_middle_miss_nothing(
    told: Guest, telling: System, room: str, guests: Callable[..., Guest]
) -> None:
    job = told.ask(room, "story", words=700, pause=0.03)
    for _ in range(20):
        come_late(told, telling, room, guests, job, to_the_end=False)
    come_late(told, telling, room, guests, job)


def come_late(
    told: Guest,
    telling: System,
    room: str,
    guests: Callable[..., Guest],
    job: dict[str, Any],
    to_the_end: bool = True,
) -> None:
    """Join in the middle of a story: what is there, and what comes, is all of it."""
    before = len(told.all("job:delta"))
    told.wait(lambda seen: len(told.all("job:delta")) > before + 2)
    late = guests(telling.url, "Ben")
    (found,) = [each for each in late.join(room)["jobs"] if each["id"] == job["id"]]
    late.wait(lambda seen: len(late.all("job:delta")) > 3)
    if to_the_end:
        final = late.final(job["id"])
        told.final(job["id"])
        whole = final["result"]["text"]
    else:
        late.close()
        whole = joined(pieces(told, job))
    after = [each for each in pieces(late, job) if each["offset"] + len(each["text"]) > len(found["text"])]
    text = joined(after, found["text"])
    assert found["text"]
    assert text == whole if to_the_end else (whole.startswith(text) or text.startswith(whole))


def test_a_text_is_cleaned_before_it_is_counted(told: Guest, room: str) -> None:
    final = told.final(told.ask(room, "story", words=5, word="a\tb\n😀")["id"])
    assert final["result"]["text"] == "".join(f"a\tb\n😀 {n} " for n in range(5))
    assert joined(pieces(told, final)) == final["result"]["text"]


def test_a_text_ends_at_its_bound(told: Guest, room: str) -> None:
    final = told.final(told.ask(room, "story", words=100, pause=0.001, word="x" * 200)["id"])
    assert final["result"]["truncated"] is True
    assert len(final["result"]["text"]) == 8192
    assert joined(pieces(told, final)) == final["result"]["text"]


def test_what_was_written_stays_with_a_job_that_is_cancelled(told: Guest, room: str) -> None:
    job = told.ask(room, "story", words=1000)
    told.wait(lambda seen: len(told.all("job:delta")) > 3)
    told.ok("job:cancel", {"job": job["id"]})
    final = told.final(job["id"])
    assert final["state"] == "cancelled"
    assert final["text"] == joined(pieces(told, final))
    (found,) = [each for each in told.join(room, after=0)["jobs"] if each["id"] == job["id"]]
    assert found["text"] == final["text"]
    time.sleep(0.3)
    assert len(told.all("job:update", id=job["id"], state="cancelled")) == 1
