"""A short version of every scenario of `make faults`: one blow each, and the same audit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.faults.scenarios import IS_ROOT, ROOT_ONLY, SCENARIOS, Outcome, run

AT_ONCE = 3  # systems: most of the time each of them waits


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, parts: None) -> Iterator[dict[str, Future[Outcome]]]:
    """The scenarios that were asked for, under way side by side."""
    asked = [item.callspec.params["name"] for item in request.session.items if item.module is request.module]  # type: ignore[attr-defined]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(played, name) for name in asked if IS_ROOT or name not in ROOT_ONLY}
        pool.shutdown(cancel_futures=True)


def played(name: str) -> Outcome:
    """One scenario with a loop of its own."""
    return asyncio.run(run(name, seed=7, times=1))


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_doubled_or_out_of_order(outcomes: dict[str, Future[Outcome]], name: str) -> None:
    if name not in outcomes:
        pytest.skip("mounting a small disk needs root")

    outcome = outcomes[name].result()

    assert not outcome.findings, outcome.findings
    assert outcome.messages > 0
    assert outcome.jobs >= 3 * outcome.messages
