"""What the models do for a room: the same on every path."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests

from tests import shapes
from tests.conftest import Site
from tests.guest import WAIT, Guest

Come = Callable[..., Guest]
EMERGENCY = "My father has collapsed and he is not breathing, please help"
ROUTINE = "Can I move my appointment to Thursday?"


def test_every_message_is_looked_at_by_three_models(site: Site, ann: Guest, room: str) -> None:
    seq = ann.say(room, "Danke, das war wirklich sehr freundlich von Ihnen")["seq"]
    found = ann.found(seq, "triage", "language", "sentiment")
    assert {task: job["state"] for task, job in found.items()} == {
        "triage": "succeeded",
        "language": "succeeded",
        "sentiment": "succeeded",
    }
    assert found["language"]["result"]["language"] == "de"
    assert 0 < found["language"]["result"]["confidence"] <= 1
    assert found["triage"]["result"].keys() == {"intent", "urgency", "confidence"}


def test_the_mood_of_a_message_is_found(site: Site, ann: Guest, room: str) -> None:
    pleased = ann.say(room, "This is wonderful, thank you so much, I am very happy")["seq"]
    upset = ann.say(room, "This is terrible, I hate it and I am very angry")["seq"]
    assert ann.found(pleased, "sentiment")["sentiment"]["result"]["label"] == "positive"
    result = ann.found(upset, "sentiment")["sentiment"]["result"]
    assert result["label"] == "negative"
    assert -1 <= result["score"] < 0


def test_jobs_run_on_the_path_the_flag_says(site: Site, ann: Guest, room: str) -> None:
    found = ann.found(ann.say(room, ROUTINE)["seq"], "triage", "language", "sentiment")
    if site.path != "auto":
        assert {job["path"] for job in found.values()} == {site.path}


def test_an_emergency_puts_a_notice_in_the_room(site: Site, ann: Guest, ben: Guest, room: str) -> None:
    seq = ann.say(room, EMERGENCY)["seq"]
    notice = ben.saw("message:new", kind="ml")
    assert "emergency" in notice["text"]
    assert notice["seq"] == seq + 1
    job = ben.final(notice["job"])
    assert (job["task"], job["message"], job["state"]) == ("escalate", seq, "succeeded")
    found = ben.found(seq, "triage")["triage"]["result"]
    assert found["urgency"] == "emergency"
    assert 0.35 <= found["urgency_probability"] <= 1
    assert notice["data"]["level"] == job["result"]["level"] == "loud"
    assert notice in ann.join(room)["messages"]


def test_without_an_emergency_nobody_is_called_and_there_is_no_job_for_it(site: Site, ann: Guest, room: str) -> None:
    seq = ann.say(room, ROUTINE)["seq"]
    ann.found(seq, "triage", "language", "sentiment")
    assert ann.say(room, "Next")["seq"] == seq + 1
    assert "escalate" not in {job["task"] for job in ann.join(room)["jobs"]}
    assert ann.join(room)["seq"] == seq + 1


def test_each_outcome_is_shown_once(site: Site, ann: Guest, room: str) -> None:
    seqs = [ann.say(room, f"Line {number}")["seq"] for number in range(10)]
    for seq in seqs:
        ann.found(seq, "triage", "language", "sentiment")
    finals = [job["id"] for job in ann.all("job:update") if job["state"] in shapes.FINAL]
    assert len(finals) == len(set(finals)) == 30


def test_a_job_on_request_is_acknowledged_and_then_answered(site: Site, ann: Guest, ben: Guest, room: str) -> None:
    job = ann.ask(room, "language", key="ask", text="Où est la gare?")
    assert (job["task"], job["key"], job["state"], job["attempt"]) == ("language", "ask", "accepted", 1)
    assert job["sender"] == {"id": "Ann", "name": "Ann"}
    final = ben.final(job["id"])
    assert (final["state"], final["result"]["language"], final["key"]) == ("succeeded", "fr", "ask")
    assert final["ms"] > 0


def test_a_resent_request_is_the_same_job(site: Site, ann: Guest, room: str) -> None:
    first = ann.ask(room, "language", key="k", text="Hello")
    ann.final(first["id"])
    again = ann.ok("job:create", {"room": room, "key": "k", "task": "language", "args": {"text": "Hello"}})
    assert again["duplicate"] is True
    assert again["job"]["id"] == first["id"]
    assert again["job"]["state"] == "succeeded"
    error = ann.refused("job:create", {"room": room, "key": "k", "task": "language", "args": {"text": "Other"}})
    assert (error["code"], error["field"]) == ("conflict", "key")
    error = ann.refused("job:create", {"room": room, "key": "k", "task": "triage", "args": {"text": "Hello"}})
    assert error["code"] == "conflict"


def test_the_same_job_key_of_somebody_else_is_another_job(site: Site, ann: Guest, ben: Guest, room: str) -> None:
    jobs = [guest.ask(room, "language", key="k", text="Hello") for guest in (ann, ben)]
    assert jobs[0]["id"] != jobs[1]["id"]


def test_a_summary_has_lines_and_is_said_in_the_room(site: Site, ann: Guest, ben: Guest, room: str) -> None:
    for text in (
        "The printer on the second floor is out of toner again",
        "I ordered new toner for the printer yesterday",
        "Lunch was good today",
        "The toner for the printer on the second floor arrives on Monday",
    ):
        ann.say(room, text)
    job = ann.ask(room, "summarize")
    lines = ann.final(job["id"])["result"]["lines"]
    assert lines
    said = ben.saw("message:new", job=job["id"])
    assert (said["kind"], said["data"]["task"]) == ("ml", "summarize")
    assert all(line in said["text"] for line in lines)
    assert said in ben.join(room)["messages"]


def test_answers_of_an_ordered_task_come_in_the_order_asked(site: Site, ann: Guest, room: str) -> None:
    ann.say(room, "The toner for the printer on the second floor arrives on Monday")
    asked = [ann.ask(room, "summarize")["id"] for _ in range(8)]
    for id in asked:
        ann.final(id)
    finals = [j["id"] for j in ann.all("job:update") if j["state"] in shapes.FINAL and j["task"] == "summarize"]
    assert finals == asked


def test_a_job_can_be_looked_up_as_it_was_shown(site: Site, ann: Guest, room: str) -> None:
    job = ann.ask(room, "sentiment", text="I like it")
    final = ann.final(job["id"])
    assert site.ask("GET", f"/api/jobs/{job['id']}").json() == final
    missing = site.ask("GET", f"/api/jobs/{'0' * 26}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def test_who_was_away_gets_the_outcomes_on_joining(site: Site, guests: Come, ann: Guest, room: str) -> None:
    ben = guests(site.url, "Ben")
    ben.join(room)
    last = ann.say(room, "See you tomorrow")["seq"]
    ben.saw("message:new", seq=last)
    ben.close()
    seq = ann.say(room, "The weather is nice today")["seq"]
    found = ann.found(seq, "triage", "language", "sentiment")

    joined = guests(site.url, "Ben").join(room, after=last)
    assert [m["seq"] for m in joined["messages"]] == [seq]
    jobs = {job["id"]: job for job in joined["jobs"]}
    assert all(jobs[job["id"]] == job for job in found.values())


def test_a_job_that_changed_since_is_in_the_join_though_its_message_is_old(
    site: Site, guests: Come, ann: Guest, room: str
) -> None:
    ann.say(room, "One message")
    job = ann.ask(room, "language", text="Asked after it")
    ann.final(job["id"])
    joined = guests(site.url, "Ben").join(room, after=1)
    assert joined["messages"] == []
    assert job["id"] in {each["id"] for each in joined["jobs"]}


@pytest.mark.parametrize(
    ("task", "args", "code", "field"),
    [
        ("nonsense", {}, "unknown_task", "task"),
        ("escalate", {}, "unknown_task", "task"),
        ("language", {}, "bad_request", "args.text"),
        ("language", {"text": 7}, "bad_request", "args.text"),
        ("language", {"text": ""}, "bad_request", "args.text"),
        ("language", {"text": "Hello", "loud": True}, "bad_request", "args.loud"),
        ("summarize", {"history": []}, "bad_request", "args.history"),
        ("monochrome", {"upload": "nothing"}, "bad_request", "args.upload"),
        ("monochrome", {"upload": "0" * 26}, "not_found", "args.upload"),
    ],
)
def test_what_a_task_cannot_take_is_refused_with_the_field_named(
    site: Site, ann: Guest, room: str, task: str, args: dict[str, object], code: str, field: str
) -> None:
    error = ann.refused("job:create", {"room": room, "key": "k", "task": task, "args": args})
    assert (error["code"], error["field"]) == (code, field)


def test_jobs_are_counted_by_task_path_and_outcome(site: Site, ann: Guest, room: str) -> None:
    def count() -> float:
        text = requests.get(f"{site.url}/metrics", timeout=WAIT).text
        lines = [each for each in text.splitlines() if each.startswith("spillway_jobs_total{")]
        return sum(float(each.split()[-1]) for each in lines if 'task="sentiment"' in each and "succeeded" in each)

    before = count()
    ann.final(ann.ask(room, "sentiment", text="fine")["id"])
    until = time.monotonic() + WAIT
    while count() < before + 1:
        assert time.monotonic() < until
