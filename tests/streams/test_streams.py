"""A text that grows while a job runs: the same on both paths, whoever looks and whenever they come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

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
    for _ in range(5):
        told.wait(lambda seen, before=len(told.all("job:delta")): len(told.all("job:delta")) > before + 1)
        late = guests(telling.url, "Ben")
        (found,) = [each for each in late.join(room)["jobs"] if each["id"] == job["id"]]
        final = late.final(job["id"])
        assert late.all("job:delta")
        after = [each for each in late.all("job:delta") if each["offset"] + len(each["text"]) > len(found["text"])]
        assert joined(after, found["text"]) == final["result"]["text"]
        break


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
