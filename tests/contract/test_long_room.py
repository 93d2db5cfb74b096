"""Rooms with more messages than one answer holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests import shapes
from tests.conftest import Site
from tests.guest import Guest

LINES = 510
JOBS = 1000  # in one answer
ON_MESSAGE = ("triage", "language", "sentiment")


def ended(seen: list[tuple[str, Any]]) -> set[str]:
    """Jobs whose end was shown."""
    return {data["id"] for name, data in seen if name == "job:update" and data["state"] in shapes.FINAL}


def test_a_long_absence_is_made_up_for_in_steps(site: Site, guests: Callable[..., Guest], room: str) -> None:
    ann = guests(site.url, "Ann")
    ann.join(room)
    for number in range(LINES):
        ann.emit("message:send", {"room": room, "key": f"k{number}", "text": "and so on"})
    ann.saw("message:new", seq=LINES)

    ben = guests(site.url, "Ben")
    newest = ben.join(room)
    assert [m["seq"] for m in newest["messages"]] == list(range(LINES - 49, LINES + 1))
    assert "more" not in newest
    ann.wait(lambda seen: len(ended(seen)) == LINES * len(ON_MESSAGE))
    pages = [ben.join(room, after=0)]
    while pages[-1].get("more"):
        pages.append(ben.join(room, after=pages[-1]["messages"][-1]["seq"]))
    assert len(pages) > 1
    assert all(len(page["jobs"]) <= JOBS for page in pages)
    assert [m["seq"] for page in pages for m in page["messages"]] == list(range(1, LINES + 1))
    jobs = [job["id"] for page in pages for job in page["jobs"]]
    assert len(jobs) == len(set(jobs)) == LINES * len(ON_MESSAGE)


def test_more_jobs_than_one_answer_holds_are_asked_for_in_steps(
    site: Site, guests: Callable[..., Guest], room: str
) -> None:
    ann = guests(site.url, "Ann")
    ann.join(room)
    ann.say(room, "Begin")
    for number in range(JOBS + 60):
        ann.emit("job:create", {"room": room, "key": f"k{number}", "task": "language", "args": {"text": "Hallo"}})
    ann.say(room, "End")
    page = guests(site.url, "Ben").join(room, after=1)
    seen = {job["id"] for job in page["jobs"]}
    while page.get("more_jobs"):
        page = ann.ok("room:jobs", {"room": room, "after": page["jobs"][-1]["id"]})
        assert len(page["jobs"]) <= JOBS
        seen |= {job["id"] for job in page["jobs"]}
    asked = {job["id"] for job in ann.all("job:update") if job["task"] == "language" and "key" in job}
    assert len(seen) >= JOBS + 60
    assert asked <= seen
    assert ann.refused("room:jobs", {"room": room, "after": "nothing"})["code"] == "not_found"
