"""The operator page: jobs that are looked for, one that is opened, dead letters by why, and what processes do."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open
from tests.browser.gate import Gate


def test_jobs_are_looked_for_opened_and_linked_to_by_address(opened: Open, system: System, room: str) -> None:
    ann, operator = opened(system.url).join("Ann", room), opened(system.url).operator("?view=jobs")
    ann.say("I am so glad you are here, thank you")
    ann.found("so glad", "triage", "language", "sentiment")

    operator.one("filter-room").fill(room)
    operator.one("filter-room").press("Enter")
    rows = operator.one("jobs").locator("tbody tr")
    expect(rows).to_have_count(3)
    operator.one("filter-task").select_option("sentiment")
    expect(rows).to_have_count(1)
    expect(operator.one("jobs-found")).to_have_text("1 job")
    operator.one("job-link").click()
    expect(operator.one("job")).to_contain_text("accepted")
    expect(operator.one("job-payload")).to_contain_text("so glad")

    there = opened(system.url)
    there.page.goto(operator.page.url)  # somebody else is sent the address
    expect(there.one("job-payload")).to_contain_text("so glad")
    there.page.keyboard.press("Escape")
    expect(there.one("job")).to_be_hidden()
    expect(there.one("jobs").locator("tbody tr")).to_have_count(1)
    expect(there.one("filter-task")).to_have_value("sentiment")

    operator.page.go_back()
    expect(operator.one("job")).to_be_hidden()
    operator.one("filter-state").select_option("failed")
    expect(operator.one("jobs")).to_contain_text("No job is like this")
    operator.one("filter-clear").click()
    expect(operator.one("filter-room")).to_have_value("")
    operator.page.get_by_role("link", name="Processes").click()
    expect(operator.one("process")).to_contain_text("Web process")
    expect(operator.one("processes")).to_be_visible()


def test_the_window_of_the_experiment_is_in_the_address(opened: Open, system: System) -> None:
    operator = opened(system.url).operator("?live=language&minutes=60")
    expect(operator.one("live-task")).to_have_value("language")
    expect(operator.one("live-minutes")).to_have_value("60")
    operator.one("live-task").select_option("triage")
    expect(operator.page).to_have_url(f"{system.url}/operator?live=triage&minutes=60")


@pytest.fixture
def troubled(gate: Gate, parts: None) -> System:
    """A system whose models refuse everything, until the gate opens."""
    return System(ML_URL=gate.url)


@pytest.mark.slow
def test_many_dead_letters_are_replayed_at_once_from_both_views(
    opened: Open, gate: Gate, troubled: System, room: str
) -> None:
    with troubled:
        ann, operator = opened(troubled.url).join("Ann", room), opened(troubled.url).operator("?view=jobs&state=failed")
        for number in range(2):
            ann.say(f"Nobody can read this, {number}")
        rows = operator.one("jobs").locator("tbody tr")
        expect(rows).to_have_count(6)
        gate.open = True
        for number in range(2):
            rows.nth(number).get_by_role("checkbox").check()
        expect(operator.one("jobs-chosen")).to_have_text("2 chosen")
        expect(operator.one("jobs-cancel")).to_be_disabled()
        operator.one("jobs-replay").click()
        expect(rows).to_have_count(4)

        operator.page.get_by_role("link", name="Dead letters").click()
        group = operator.one("letters", error="model_refused")
        expect(group.locator(".letters-count")).to_have_text("4")
        group.get_by_role("button", name="Replay all").click()
        expect(operator.one("dead-letters")).to_contain_text("Nothing was given up")
        ann.found("Nobody can read this, 0", "triage", "language", "sentiment")
        ann.found("Nobody can read this, 1", "triage", "language", "sentiment")
        ann.close()
        operator.close()
