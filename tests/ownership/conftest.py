"""Three web processes on one database and one broker, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cluster import Cluster
from tests.faults.several import Several
from tests.guest import Guest
from tests.logs import assert_no_traceback


@pytest.fixture(scope="package")
def three(parts: None, cluster: Cluster, talker: str) -> Iterator[Several]:
    """The system."""
    with Several(cluster.database(), LLM_URL=f"{talker}/v1") as running:
        yield running
        assert_no_traceback(running.log)


@pytest.fixture
def people(three: Several, guests: Callable[..., Guest], room: str) -> list[Guest]:
    """Ann, Ben and Cat, in one room, each connected to another process; the first of them owns it."""
    some = [guests(url, name) for url, name in zip(three.urls, ("Ann", "Ben", "Cat"), strict=True)]
    for guest in some:
        guest.join(room)
    return some
