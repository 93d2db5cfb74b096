"""What other programs do over HTTP: the same as clients, in rooms they are not in."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import requests

from tests import shapes
from tests.conftest import Site
from tests.contract.test_uploads import picture
from tests.contract.test_uploads import send as send_image
from tests.guest import SECRETS, WAIT, Guest, signed

ADA = {"id": "ada", "name": "Ada"}
JOB = {"key": "k", "task": "language", "args": {"text": "x"}}


def headers(site: Site, **claims: Any) -> dict[str, str]:
    """What a program brings: nothing where nobody must, and otherwise a token with the role service."""
    if not site.asks_tokens:
        return {}
    claims = {"sub": "billing", "name": "Billing", "rooms": ["*"], "role": "service", **claims}
    return {"Authorization": f"Bearer {signed(SECRETS[site.url], **claims)}"}


def post(site: Site, path: str, body: Any, **claims: Any) -> requests.Response:
    """A program posts something."""
    return requests.post(f"{site.url}/api/{path}", json=body, headers=headers(site, **claims), timeout=WAIT)


def say(site: Site, room: str, text: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    """A program writes a message for Ada; returns it as answered."""
    key = key or secrets.token_hex(8)
    answer = post(site, f"rooms/{room}/messages", {"key": key, "text": text, "sender": ADA, **more})
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == {"message"}
    msgspec.convert(answer.json()["message"], shapes.Message, strict=True)
    return dict(answer.json()["message"])


def ask(site: Site, room: str, task: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    """A program asks for a job for Ada; returns it as answered."""
    key = key or secrets.token_hex(8)
    answer = post(site, f"rooms/{room}/jobs", {"key": key, "task": task, "sender": ADA, **more})
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == {"job"}
    msgspec.convert(answer.json()["job"], shapes.Job, strict=True)
    return dict(answer.json()["job"])


def refusal(answer: requests.Response) -> tuple[int, str, str | None]:
    """Status, code and field of an answer that is an error in the contract's shape."""
    msgspec.convert(answer.json(), dict[str, shapes.Error], strict=True)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("field")


def cancel(site: Site, id: str, **claims: Any) -> requests.Response:
    """A program cancels a job."""
    return requests.delete(f"{site.url}/api/jobs/{id}", headers=headers(site, **claims), timeout=WAIT)


def page(site: Site, room: str, **query: Any) -> dict[str, Any]:
    """What was said in a room."""
    answer = requests.get(f"{site.url}/api/rooms/{room}/messages", params=query, headers=headers(site), timeout=WAIT)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    msgspec.convert(found["messages"], list[shapes.Message], strict=True)
    msgspec.convert(found["jobs"], list[shapes.Job], strict=True)
    return found


def test_a_message_is_shown_to_the_room_and_looked_at(site: Site, ann: Guest, room: str) -> None:
    message = say(site, room, "I take 5 mg, danke sehr freundlich von Ihnen", key="k")
    assert ann.saw("message:new", id=message["id"]) == message
    assert (message["seq"], message["sender"], message["kind"], message["key"]) == (1, ADA, "user", "k")
    assert ann.found(1, "language")["language"]["state"] == "succeeded"


def test_a_room_need_not_have_anybody_in_it(site: Site, room: str, guests: Callable[..., Guest]) -> None:
    first = say(site, room, "one")
    second = say(site, room, "two")
    assert (first["seq"], second["seq"]) == (1, 2)
    late = guests(site.url, "Late")
    assert [message["text"] for message in late.join(room)["messages"]] == ["one", "two"]


def test_a_repeated_key_changes_nothing(site: Site, room: str) -> None:
    message = say(site, room, "once", key="k")
    body = {"key": "k", "text": "once", "sender": ADA}
    again = post(site, f"rooms/{room}/messages", body)
    assert (again.status_code, again.json()) == (200, {"message": message, "duplicate": True})
    other = post(site, f"rooms/{room}/messages", {**body, "text": "other"})
    assert refusal(other) == (409, "conflict", "key")
    somebody_else = post(site, f"rooms/{room}/messages", {**body, "sender": {"id": "b", "name": "B"}})
    assert somebody_else.status_code == 201


def test_a_message_may_show_an_image_of_its_room(site: Site, ann: Guest, room: str) -> None:
    token = ann.join(room)["upload_token"]
    upload = send_image(site, room, token, picture()).json()["upload"]
    assert say(site, room, "Look", upload=upload)["data"]["url"].startswith("/uploads/")
    body = {"key": "k", "text": "Look", "upload": upload, "sender": ADA}
    assert refusal(post(site, f"rooms/{room}.other/messages", body)) == (404, "not_found", "upload")


def test_a_job_is_answered_to_the_room(site: Site, ann: Guest, room: str) -> None:
    job = ask(site, room, "language", key="k", args={"text": "Où est la gare?"})
    assert (job["state"], job["sender"], job["key"], job["attempt"]) == ("accepted", ADA, "k", 1)
    final = ann.final(job["id"])
    assert (final["state"], final["result"]["language"]) == ("succeeded", "fr")
    body = {"key": "k", "task": "language", "args": {"text": "Où est la gare?"}, "sender": ADA}
    again = post(site, f"rooms/{room}/jobs", body)
    assert (again.status_code, again.json()["duplicate"], again.json()["job"]) == (200, True, final)
    assert refusal(post(site, f"rooms/{room}/jobs", {**body, "args": {"text": "x"}})) == (409, "conflict", "key")
    assert refusal(post(site, f"rooms/{room}/jobs", {**body, "delay_s": 5})) == (409, "conflict", "key")


@pytest.mark.parametrize(
    ("what", "body", "expected"),
    [
        ("messages", {"text": "x"}, (400, "bad_request", "key")),
        ("messages", {"key": "k", "text": ""}, (400, "bad_request", "text")),
        ("messages", {"key": "k", "text": "a\u0000b"}, (400, "bad_request", "text")),
        ("messages", {"key": "k", "text": "x" * 8193}, (400, "bad_request", "text")),
        ("messages", {"key": "a b", "text": "x"}, (400, "bad_request", "key")),
        ("messages", {"key": "k", "text": "x", "more": 1}, (400, "bad_request", "more")),
        ("messages", {"key": "k", "text": "x", "sender": "ada"}, (400, "bad_request", "sender")),
        ("messages", {"key": "k", "text": "x", "sender": {"id": "a"}}, (400, "bad_request", "sender.name")),
        ("messages", {"key": "k", "text": "x", "sender": {"id": "a", "name": "a\u202eb"}}, (400, "bad_request", "sender.name")),
        ("messages", {"key": "k", "text": "x", "upload": "0" * 26}, (404, "not_found", "upload")),
        ("messages", [], (400, "bad_request", None)),
        ("jobs", {"key": "k"}, (400, "bad_request", "task")),
        ("jobs", {"key": "k", "task": "nonsense"}, (404, "unknown_task", "task")),
        ("jobs", {"key": "k", "task": "language", "args": {"text": 5}}, (400, "bad_request", "args.text")),
        ("jobs", {**JOB, "delay_s": -1}, (400, "bad_request", "delay_s")),
        ("jobs", {**JOB, "delay_s": 30 * 86400 + 1}, (400, "bad_request", "delay_s")),
        ("jobs", {**JOB, "delay_s": "5"}, (400, "bad_request", "delay_s")),
        ("jobs", {**JOB, "callback": "https://example.org/"}, (400, "bad_request", "callback")),
        ("jobs", {**JOB, "callback": "nats:jobs.ml.x"}, (400, "bad_request", "callback")),
        ("jobs", {**JOB, "callback": 5}, (400, "bad_request", "callback")),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_field(
    site: Site, room: str, what: str, body: Any, expected: tuple[int, str, str | None]
) -> None:
    if isinstance(body, dict):
        body = {"sender": ADA, **body}
    assert refusal(post(site, f"rooms/{room}/{what}", body)) == expected


def test_a_body_must_be_json(site: Site, room: str) -> None:
    url = f"{site.url}/api/rooms/{room}/messages"
    broken = (b"{", b"\xff", b'{"key":"\xff"}', b'{"key":NaN}', b"[" * 100_000, b"")
    for content, kind in (*((each, "application/json") for each in broken), (b"key=k&text=x", "text/plain")):
        answer = requests.post(url, content, headers={**headers(site), "Content-Type": kind}, timeout=WAIT)
        assert refusal(answer)[:2] == (400, "bad_request")


def test_a_text_of_the_longest_kind_is_taken(site: Site, room: str) -> None:
    assert say(site, room, "\U0001f600" * 8192)["text"] == "\U0001f600" * 8192
    url = f"{site.url}/api/rooms/{room}/messages"
    large = requests.post(
        url, b" " * 300_000, headers={**headers(site), "Content-Type": "application/json"}, timeout=WAIT
    )
    assert refusal(large)[:2] == (413, "too_large")


def test_a_rooms_name_is_checked(site: Site) -> None:
    for name in ("a b", "ä", "x" * 65):
        assert refusal(post(site, f"rooms/{name}/messages", {"key": "k", "text": "x", "sender": ADA})) == (
            400,
            "bad_request",
            "room",
        )


def test_a_sender_is_needed_where_nobody_is_known(site: Site, room: str) -> None:
    answer = post(site, f"rooms/{room}/messages", {"key": "k", "text": "x"})
    if site.asks_tokens:
        assert answer.json()["message"]["sender"] == {"id": "billing", "name": "Billing"}
    else:
        assert refusal(answer) == (400, "bad_request", "sender")


def test_only_services_and_operators_speak_for_others(site: Site, room: str) -> None:
    if not site.asks_tokens:
        return
    body = {"key": "k", "text": "x", "sender": ADA}
    for role in ("member", "staff"):
        assert refusal(post(site, f"rooms/{room}/messages", body, role=role)) == (403, "forbidden", "sender")
        mine = post(site, f"rooms/{room}/messages", {"key": role, "text": "x"}, role=role)
        assert mine.json()["message"]["sender"] == {"id": "billing", "name": "Billing"}
    assert post(site, f"rooms/{room}/messages", body, role="operator").json()["message"]["sender"] == ADA


def test_a_token_opens_its_own_rooms_only(site: Site, room: str) -> None:
    if not site.asks_tokens:
        return
    job = ask(site, room, "language", args={"text": "x"}, delay_s=3600)
    body = {"key": "k", "text": "x"}
    for what in ("messages", "jobs"):
        assert refusal(post(site, f"rooms/{room}/{what}", body, rooms=["elsewhere-*"]))[:2] == (403, "forbidden")
    nobody = requests.post(f"{site.url}/api/rooms/{room}/messages", json=body, timeout=WAIT)
    assert refusal(nobody)[:2] == (401, "unauthorized")
    assert refusal(requests.get(f"{site.url}/api/rooms/{room}/messages", timeout=WAIT))[:2] == (401, "unauthorized")
    assert refusal(requests.delete(f"{site.url}/api/jobs/{job['id']}", timeout=WAIT))[:2] == (401, "unauthorized")
    assert refusal(cancel(site, job["id"], rooms=["elsewhere-*"]))[:2] == (404, "not_found")
    assert cancel(site, job["id"], rooms=[room]).status_code == 202


def test_what_was_said_is_read_page_by_page(site: Site, room: str) -> None:
    for number in range(5):
        say(site, room, f"line {number}")
    newest = page(site, room, limit=2)
    assert [message["text"] for message in newest["messages"]] == ["line 3", "line 4"]
    assert newest["more"] is True
    assert {job["message"] for job in newest["jobs"]} <= {4, 5}
    assert len(newest["jobs"]) >= 6
    older = page(site, room, limit=3, before=newest["messages"][0]["seq"])
    assert [message["text"] for message in older["messages"]] == ["line 0", "line 1", "line 2"]
    assert "more" not in older
    assert page(site, f"{room}.empty") == {"messages": [], "jobs": []}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "before=-1", "before=x", "before=", f"before={2**63}"]
)
def test_a_page_that_makes_no_sense_is_refused(site: Site, room: str, query: str) -> None:
    answer = requests.get(f"{site.url}/api/rooms/{room}/messages?{query}", headers=headers(site), timeout=WAIT)
    assert refusal(answer) == (400, "bad_request", query.partition("=")[0])


def test_a_delayed_job_is_shown_and_can_be_cancelled(site: Site, ann: Guest, room: str) -> None:
    job = ask(site, room, "language", args={"text": "Hello"}, delay_s=3600)
    assert job["state"] == "accepted"
    assert job["due"] > job["at"]
    assert ann.saw("job:update", id=job["id"])["due"] == job["due"]
    assert job["id"] in {each["id"] for each in ann.join(room)["jobs"]}
    seen = site.ask("GET", f"/api/jobs/{job['id']}").json()
    assert (seen["state"], seen["due"]) == ("accepted", job["due"])

    answer = cancel(site, job["id"])
    assert (answer.status_code, answer.json()["job"]["state"]) == (202, "cancelled")
    assert ann.final(job["id"])["state"] == "cancelled"
    again = cancel(site, job["id"])
    assert (again.status_code, again.json()) == (200, answer.json())
    assert refusal(cancel(site, "0" * 26)) == (404, "not_found", None)


def test_a_delayed_job_runs_when_it_is_due(site: Site, ann: Guest, room: str) -> None:
    job = ask(site, room, "language", args={"text": "Où est la gare?"}, delay_s=0.3)
    final = ann.final(job["id"])
    assert (final["state"], final["result"]["language"]) == ("succeeded", "fr")
    assert final["at"] >= job["due"]
    assert "due" not in final


def test_a_finished_job_is_returned_unchanged(site: Site, ann: Guest, room: str) -> None:
    job = ask(site, room, "language", args={"text": "Hello"})
    final = ann.final(job["id"])
    answer = cancel(site, job["id"])
    assert (answer.status_code, answer.json()) == (200, {"job": final})
