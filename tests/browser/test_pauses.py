"""An operator pauses a task and a lane by their buttons, and lets them go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open
from tests.guest import WAIT

pytestmark = pytest.mark.slow


@pytest.fixture
def going_on(system: System) -> Iterator[None]:
    """Whatever happened, both go on afterwards."""
    yield
    for where in ("tasks/language", "lanes/ml"):
        requests.put(f"{system.url}/api/{where}", json={"paused": False}, timeout=WAIT).raise_for_status()


@pytest.mark.usefixtures("going_on")
@pytest.mark.parametrize(("kind", "name", "label"), [("tasks", "language", "Language"), ("lanes", "ml", "lane ml")])
def test_a_button_pauses_and_another_lets_go_on(opened: Open, system: System, kind: str, name: str, label: str) -> None:
    def paused() -> bool:
        listed = requests.get(f"{system.url}/api/{kind}", timeout=WAIT).json()[kind]
        return any(one.get("paused", False) for one in listed if one[kind[:-1]] == name)

    page = opened(system.url).operator().page
    page.get_by_role("button", name=f"Pause: {label}").click()
    resume = page.get_by_role("button", name=f"Resume: {label}")
    expect(resume).to_be_visible()
    assert paused()
    resume.click()
    expect(page.get_by_role("button", name=f"Pause: {label}")).to_be_visible()
    assert not paused()
