"""A short version of the scenarios of `make faults`: one blow each, and the same audit."""

from __future__ import annotations

import asyncio

import pytest

from app.cluster import postgres_binaries
from tests.conftest import need
from tests.faults import redeploys
from tests.faults.scenarios import IS_ROOT, ROOT_ONLY, SCENARIOS, run

SHORT_SECONDS = 10  # of a job that takes five minutes in `make faults`
QUICK = ("kill web, simple",)
LEFT_TO_MAKE_FAULTS = (  # each has a sibling here, on the other path or of another failure of the database
    "kill one of three web, simple",
    "web paused past its lease, queued",
    "rolling restart of three web, queued",
    "kill PostgreSQL, simple",
    "PostgreSQL read-only 10 s",
    "PostgreSQL without connections 10 s",
    "network to PostgreSQL cut, simple",
    "rate of a task, simple",
    "kill model server, simple",
    "broker away 30 s, auto",
    "disk full, queued",
    "a majority of three brokers away 20 s",
    "pause and resume, simple",
)
ALL = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in SCENARIOS
    if name not in LEFT_TO_MAKE_FAULTS
]


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("name", ALL)
def test_nothing_is_lost_doubled_or_out_of_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redeploys, "SECONDS", SHORT_SECONDS)
    if name in ROOT_ONLY and not IS_ROOT:
        pytest.skip("mounting a small disk needs root")
    if "PostgreSQL" in name or any(word in name for word in ("standby", "three web", "redeploys", "rate")):
        need(postgres_binaries(), "PostgreSQL")

    outcome = asyncio.run(run(name, seed=7, times=1))

    assert not outcome.findings, outcome.findings
    assert outcome.messages > 0
    assert outcome.jobs >= 3 * outcome.messages
