"""Operators find jobs over HTTP, and see everything of one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Site
from tests.guest import Guest


def found(site: Site, **query: Any) -> dict[str, Any]:
    """GET /api/jobs"""
    answer = site.ask("GET", "/api/jobs", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_jobs_are_found_by_what_is_known_of_them_page_by_page(site: Site, ann: Guest, room: str) -> None:
    began = datetime.now(UTC) - timedelta(seconds=60)
    finals = [ann.final(ann.ask(room, "sentiment", text=f"I like {number}")["id"]) for number in range(3)]
    ids = [final["id"] for final in reversed(finals)]
    chosen = {"room": room, "task": "sentiment", "state": "succeeded", "path": finals[0]["path"]}
    everything = found(site, since=began.isoformat(), **chosen)
    assert [job["id"] for job in everything["jobs"]] == ids
    assert "more" not in everything
    assert everything["jobs"][0] == finals[-1]
    first = found(site, limit=2, **chosen)
    assert ([job["id"] for job in first["jobs"]], first["more"]) == (ids[:2], True)
    rest = found(site, limit=2, before=ids[1], **chosen)
    assert ([job["id"] for job in rest["jobs"]], "more" in rest) == (ids[2:], False)
    assert found(site, before=began.isoformat(), **chosen)["jobs"] == []
    assert found(site, state="failed", room=room)["jobs"] == []
    assert found(site, error="timeout", room=room)["jobs"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "sleeping"), ("path", "auto"), ("limit", "0"), ("limit", "501"), ("since", "yesterday"),
        ("since", "2026-01-31T09:30:00"), ("before", "yesterday"), ("before", "2026-01-31T09:30:00"), ("before", "0" * 26),
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused_by_name(site: Site, field: str, value: str) -> None:
    error = site.ask("GET", "/api/jobs", params={field: value})
    assert (error.status_code, error.json()["error"]["code"], error.json()["error"]["field"]) == (
        400,
        "bad_request",
        field,
    )


def test_everything_of_a_job_can_be_looked_at(site: Site, ann: Guest, room: str) -> None:
    final = ann.final(ann.ask(room, "sentiment", text="I like it")["id"])
    answer = site.ask("GET", f"/api/operator/jobs/{final['id']}")
    assert answer.status_code == 200
    known = answer.json()
    assert known["job"] == final
    assert known["args"] == {"text": "I like it"}
    assert (known["errors"], known["error"], known["dead"]) == ([], None, False)
    assert known["finished"] >= known["started"] >= final["at"]
    assert known["trace"].startswith("00-")
    missing = site.ask("GET", f"/api/operator/jobs/{'0' * 26}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
