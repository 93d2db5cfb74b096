"""Jobs as runners see them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.ids import new_id
from app.jobs.job import Job

NewJob = Callable[..., Job]


@pytest.fixture
def new_job() -> NewJob:
    """Makes a job that was accepted just now."""
    places = itertools.count(1)

    def make(**values: Any) -> Job:
        now = time.time()
        known = {"room": "lobby", "task": "echo", "args": '{"text":"hi"}', "path": "simple", "attempts": 3}
        return Job(n=next(places), id=new_id(), at=now, deadline=now + 900, **{**known, **values})

    return make
