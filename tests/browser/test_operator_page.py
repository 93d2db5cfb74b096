"""The operator page at the sizes it is used in."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.gate import Gate
from tests.web import Web


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1440, 900), pytest.param((1920, 1080), marks=pytest.mark.slow)])
def test_nothing_covers_the_buttons_of_dead_letters_wherever_the_page_is_scrolled(
    opened: Open, gate: Gate, tmp_path: Path, size: tuple[int, int]
) -> None:
    with Web(tmp_path, RATE_LIMIT="off", ML_URL=gate.url) as web:
        ann, operator = opened(web.url).join("Ann", "lobby"), opened(web.url, size=size).operator("?view=dead")
        for number in range(4):
            ann.say(f"Nobody can read this, {number}")
        expect(operator.one("dead-letters").locator("tbody tr")).to_have_count(12)
        covered = """async () => {
            const buttons = [...document.querySelectorAll("#dead-table .row-actions button")];
            const found = [];
            for (let top = 0; top <= document.body.scrollHeight; top += 100) {
                scrollTo({top, behavior: "instant"});
                await new Promise(requestAnimationFrame);
                for (const button of buttons) {
                    const box = button.getBoundingClientRect();
                    const x = box.x + box.width / 2, y = box.y + box.height / 2;
                    if (y < 70 || y > innerHeight) continue;
                    const over = document.elementFromPoint(x, y);
                    if (over && !button.contains(over)) found.push(over.className);
                }
            }
            return found;
        }"""
        assert operator.page.evaluate(covered) == []
        ann.close()
        operator.close()


def test_the_flags_stay_in_sight_beside_what_they_change(opened: Open, tmp_path: Path) -> None:
    with Web(tmp_path) as web:
        operator = opened(web.url, size=(1440, 900)).operator()
        operator.page.locator(".card-tasks").scroll_into_view_if_needed()
        expect(operator.path("*")).to_be_in_viewport()
        operator.close()
