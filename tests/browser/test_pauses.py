"""An operator pauses a task and a lane by their buttons, and lets them go on."""

from __future__ import annotations

import pytest
import requests
from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open
from tests.guest import WAIT


@pytest.mark.slow
def test_a_button_pauses_a_task_and_the_same_lets_it_go_on(opened: Open, system: System) -> None:
    def paused(kind: str, name: str) -> bool:
        listed = requests.get(f"{system.url}/api/{kind}", timeout=WAIT).json()[kind]
        return any(one.get("paused", False) for one in listed if one[kind[:-1]] == name)

    tab = opened(system.url).operator()
    for kind, name in (("tasks", "language"), ("lanes", "ml")):
        button = tab.one(f"pause-{kind}-{name}")
        button.click()
        expect(button).to_contain_text("Resume")
        assert paused(kind, name)
        button.click()
        expect(button).to_contain_text("Pause")
        assert not paused(kind, name)
