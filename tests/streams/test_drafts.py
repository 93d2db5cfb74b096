"""A draft is not a message: whoever asks for help never sees one, by no event, no ack and no route."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.compare.system import System
from tests.guest import SECRETS, WAIT, Guest, signed

SECRET = secrets.token_hex(32)
WORDS = "never tell them this"


@pytest.fixture(scope="module")
def clinic(checkout: Path, ml_url: str) -> Iterator[System]:
    """A system in which people prove who they are."""
    settings = {"ML_URL": ml_url, "RATE_LIMIT": "off", "AUTH": "token", "AUTH_SECRET": SECRET, "DRAIN_SECONDS": "1"}
    with System(None, checkout, False, None, **settings) as system:
        SECRETS[system.url] = SECRET
        yield system


@pytest.fixture
def come(clinic: System, guests: Callable[..., Guest], room: str) -> Callable[[str], Guest]:
    """Lets somebody of a role into the room."""

    def enter(role: str) -> Guest:
        guest = guests(clinic.url, role, token=token(role))
        guest.join(room)
        return guest

    return enter


def token(role: str) -> str:
    """A token of this role, good for every room."""
    return signed(SECRET, sub=role, name=role, rooms=["*"], role=role)


def http(clinic: System, role: str, method: str, path: str, **more: Any) -> requests.Response:
    """The answer to somebody of this role."""
    headers = {"Authorization": f"Bearer {token(role)}"}
    return requests.request(method, clinic.url + path, headers=headers, timeout=WAIT, **more)


def test_only_those_who_answer_see_a_draft(clinic: System, come: Callable[[str], Guest], room: str) -> None:
    patient, nurse, operator = come("member"), come("staff"), come("operator")
    job = nurse.ask(room, "hint", words=WORDS)
    for allowed in (nurse, operator):
        final = allowed.final(job["id"])
        assert final["result"]["text"].split() == WORDS.split()
        assert allowed.all("job:delta", job=job["id"])
        assert job["id"] in {each["id"] for each in allowed.join(room, after=0)["jobs"]}
    nurse.say(room, "Something that everybody sees")
    patient.saw("message:new")
    late = come("member")
    shown = [
        patient.join(room, after=0),
        late.ok("room:history", {"room": room, "before": 99}),
        patient.seen,
        late.seen,
    ]
    shown.append(http(clinic, "member", "GET", f"/api/rooms/{room}/messages").text)
    assert job["id"] not in str(shown)
    assert "never" not in str(shown)
    assert http(clinic, "member", "GET", f"/api/jobs/{job['id']}").status_code == 404
    assert http(clinic, "service", "GET", f"/api/jobs/{job['id']}").status_code == 404
    assert http(clinic, "staff", "GET", f"/api/jobs/{job['id']}").json()["result"]["text"].split() == WORDS.split()


def test_a_patient_cannot_ask_for_a_draft_or_touch_one(clinic: System, come: Callable[[str], Guest], room: str) -> None:
    patient, nurse = come("member"), come("staff")
    job = nurse.ask(room, "hint", words=WORDS, seconds=20.0)
    asked = {"room": room, "key": "k", "task": "hint", "args": {"words": "x"}}
    assert patient.refused("job:create", asked)["code"] == "forbidden"
    over_http = http(
        clinic, "member", "POST", f"/api/rooms/{room}/jobs", json={k: asked[k] for k in ("key", "task", "args")}
    )
    assert over_http.status_code == 403
    for event in ("job:cancel", "job:retry"):
        assert patient.refused(event, {"job": job["id"]})["code"] == "not_found"
    assert http(clinic, "member", "DELETE", f"/api/jobs/{job['id']}").status_code == 404
    sent = {"room": room, "key": "k2", "text": "x", "draft": job["id"]}
    assert patient.refused("message:send", sent)["code"] == "forbidden"
    assert nurse.refused("message:send", sent)["code"] == "conflict"
    nurse.ok("job:cancel", {"job": job["id"]})


def test_what_was_made_of_a_draft_says_so(come: Callable[[str], Guest], room: str) -> None:
    patient, nurse = come("member"), come("staff")
    job = nurse.final(nurse.ask(room, "hint", words=WORDS)["id"])
    sent = nurse.say(room, "Rest, and drink enough", key="once", draft=job["id"])
    assert sent["data"] == {"draft": job["id"], "task": "hint", "person": "staff"}
    assert patient.saw("message:new")["text"] == "Rest, and drink enough"
    again = {"room": room, "key": "once", "text": "Rest, and drink enough"}
    assert nurse.ok("message:send", {**again, "draft": job["id"]})["duplicate"] is True
    assert nurse.refused("message:send", again)["code"] == "conflict"
    wrong = nurse.refused("message:send", {**again, "key": "other", "draft": "nothing"})
    assert (wrong["code"], wrong["field"]) == ("not_found", "draft")


def test_nobody_is_told_of_a_draft_that_failed(come: Callable[[str], Guest], room: str) -> None:
    patient, nurse = come("member"), come("staff")
    job = nurse.final(nurse.ask(room, "hint", words=WORDS, fail=True)["id"])
    assert (job["state"], job["text"].split()) == ("failed", WORDS.split())
    nurse.say(room, "Something that everybody sees")
    assert [message["seq"] for message in [patient.saw("message:new")]] == [1]
