"""A flag at half of the rooms, and what the operator page shows of it while people chat on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests
from playwright.sync_api import Locator, expect

from app.compare.system import System
from app.flags.rollout import share
from tests.browser.conftest import Open, until
from tests.browser.tab import Tab
from tests.guest import WAIT, Guest
from tests.quiet import quiet

TASK = "sentiment"


@pytest.fixture
def half(system: System) -> Iterator[None]:
    """The flag of the task sends half of the rooms to the queue."""
    flag: dict[str, str | int] = {"path": "queued", "percent": 50}
    requests.put(f"{system.url}/api/flags/{TASK}", json=flag, timeout=WAIT).raise_for_status()
    yield
    system.unset(TASK)
    system.flag("simple")


@pytest.fixture
def rooms(half: None, room: str) -> dict[str, str]:
    """A room that takes each path."""
    names = [f"{room}-{number}" for number in range(64)]
    return {
        "simple": next(name for name in names if share(TASK, name) >= 50),
        "queued": next(name for name in names if share(TASK, name) < 50),
    }


def chat(guest: Guest, room: str, times: int) -> None:
    """Say something, and wait until the task has looked at it."""
    guest.join(room)
    for number in range(times):
        guest.found(guest.say(room, f"I feel much better today, {number}")["seq"], TASK)


def choose(tab: Tab, task: str) -> None:
    """Look at a task, once nothing is under way; at the whole hour, so that nothing leaves the window meanwhile."""
    quiet(tab.url)
    tab.one("live-task").select_option(task)
    tab.one("live-minutes").select_option("60")
    expect(tab.one("live-head", task=task, minutes=60)).to_have_count(2)


def head(tab: Tab, path: str) -> Locator:
    """The figures of one path."""
    return tab.one("live-head", path=path)


def jobs(tab: Tab, path: str) -> int:
    """How many jobs the page says took it."""
    return int(head(tab, path).get_attribute("data-jobs") or 0)


@pytest.mark.slow
def test_both_sides_of_an_experiment_appear_and_move(
    opened: Open, system: System, guests: Callable[..., Guest], rooms: dict[str, str]
) -> None:
    tab = opened(system.url).operator()
    choose(tab, TASK)
    for path in rooms:
        expect(head(tab, path)).to_contain_text("50\u00a0% of rooms")
    expect(tab.one("live")).to_contain_text("The flag changed at")

    before = {path: jobs(tab, path) for path in rooms}
    ann = guests(system.url, "Ann")
    for path, room in rooms.items():
        chat(ann, room, 3)
        until(lambda path=path: jobs(tab, path) == before[path] + 3, f"three jobs are counted as {path}")  # type: ignore[misc]
        drawn = tab.page.locator(f'[data-testid="plot-answer"][data-path="{path}"] .live-plot :is(.line, .dot-line)')
        expect(drawn.first).to_be_attached()
        expect(tab.one("plot-answer", path=path)).to_contain_text("p50")

    chat(ann, rooms["queued"], 2)
    until(lambda: jobs(tab, "queued") == before["queued"] + 5, "two more are counted")
    assert jobs(tab, "simple") == before["simple"] + 3


def test_too_few_answers_are_not_given_a_slowest_twentieth(
    opened: Open, system: System, guests: Callable[..., Guest], room: str
) -> None:
    tab = opened(system.url).operator()
    choose(tab, "summarize")
    slowest = head(tab, "simple").locator('[data-figure="p95"]')
    known = jobs(tab, "simple")
    ann = guests(system.url, "Ann")
    ann.join(room)
    ann.say(room, "I need my blood test results from Friday.")
    ann.final(ann.ask(room, "summarize")["id"])
    until(lambda: jobs(tab, "simple") == known + 1, "the summary is counted")
    # Other tests share the system, and some ask for summaries.
    expect(slowest).to_contain_text(f"–needs 20, has {known + 1}" if known + 1 < 20 else "s")


def test_a_moment_and_the_table_are_reached_by_keyboard(
    opened: Open, system: System, guests: Callable[..., Guest], room: str
) -> None:
    chat(guests(system.url, "Ann"), room, 1)
    tab = opened(system.url).operator()
    moment = tab.one("live-moment")
    expect(tab.one("live-at")).to_have_text("now")
    moment.focus()
    for _ in range(3):
        tab.page.keyboard.press("ArrowLeft")
    expect(tab.one("live-at")).not_to_have_text("now")
    expect(tab.page.locator(".live-plot .cursor")).to_have_count(12)
    tab.page.keyboard.press("End")
    expect(tab.one("live-at")).to_have_text("now")

    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    expect(tab.one("live-table").locator("tbody tr").first).to_be_visible()
    for path in ("simple", "queued"):
        label = tab.one("plot-answer", path=path).locator("svg").get_attribute("aria-label")
        assert label is not None
        assert label.startswith(f"Time to answer, {path}: ")


@pytest.mark.parametrize("width", [360, *(pytest.param(width, marks=pytest.mark.slow) for width in (700, 1280))])
def test_it_fits_and_the_hour_can_be_chosen(opened: Open, system: System, width: int) -> None:
    tab = opened(system.url, size=(width, 740)).operator()
    choose(tab, TASK)
    expect(tab.one("plot-health", path="queued").locator("svg")).to_be_visible()
    assert tab.fits()
    within = "parts => parts.length > 12 && parts.every(part => part.scrollWidth <= part.clientWidth)"
    assert tab.page.locator(".live-head, .live-plot, .live-title").evaluate_all(within)
