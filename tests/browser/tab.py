"""A tab as a person uses it: everything is found by its data-testid."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

expect.set_options(timeout=30_000)  # a bound, never a measurement


class Tab:
    """One page of Spillway, and what a person does there."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    def one(self, name: str, **data: object) -> Locator:
        """Elements with this test ID and these data attributes."""
        wanted = "".join(f'[data-{key}="{value}"]' for key, value in data.items())
        return self.page.locator(f'[data-testid="{name}"]{wanted}')

    def join(self, name: str, room: str) -> Tab:
        """Sign in and be connected."""
        self.page.goto(self.url)
        self.one("name").fill(name)
        self.one("room").fill(room)
        self.one("join").click()
        expect(self.one("connection", state="online")).to_be_visible()
        expect(self.one("members")).to_contain_text(name)
        return self

    def operator(self, query: str = "") -> Tab:
        """Open the operator page, in the view that this query names, and see that it lives."""
        self.page.goto(f"{self.url}/operator{query}")
        expect(self.one("freshness", state="fresh")).to_be_visible()
        return self

    def close(self) -> None:
        """Leave, before the server does: a browser complains of each connection that cannot be made."""
        self.page.close()

    def say(self, text: str) -> None:
        """Write a message and press Enter."""
        self.one("composer").fill(text)
        self.one("composer").press("Enter")

    def message(self, text: str) -> Locator:
        """The message that holds this text."""
        return self.one("message").filter(has_text=text)

    def chips(self, text: str, **data: object) -> Locator:
        """The chips of the message that holds this text."""
        wanted = "".join(f'[data-{key}="{value}"]' for key, value in data.items())
        return self.message(text).locator(f'[data-testid="chip"]{wanted}')

    def quiet(self, text: str) -> Locator:
        """The quiet line under the message that holds this text."""
        return self.message(text).get_by_test_id("quiet-words")

    def found(self, text: str, *tasks: str, path: str = "simple") -> None:
        """See the results of these tasks on a message, and the path they took."""
        for task in tasks:
            expect(self.chips(text, task=task, state="succeeded", path=path)).to_have_count(1)

    def open_paths(self) -> None:
        """Open the panel of paths."""
        self.one("panel-toggle").click()
        expect(self.path("*")).to_be_visible()

    def path(self, task: str) -> Locator:
        """Where the path of a task is chosen."""
        return self.one("flag-row", task=task).get_by_test_id("flag-path")

    def percent(self, task: str) -> Locator:
        """Where the share of rooms is chosen."""
        return self.one("flag-row", task=task).get_by_test_id("flag-percent")

    def upload(self, file: Path) -> None:
        """Pick an image."""
        self.one("upload-input").set_input_files(file)

    def seqs(self) -> list[int]:
        """The numbers of all messages shown, from top to bottom."""
        return [int(each.get_attribute("data-seq") or 0) for each in self.one("message").all()]

    def fits(self) -> bool:
        """Whether nothing is wider than the window, nor sticks out of what scrolls in it."""
        return bool(
            self.page.evaluate(
                """() => document.documentElement.scrollWidth <= innerWidth
                    && [...document.querySelectorAll(".bubble, .chip, .composer, .flag, .tile, .card, .bar, .top")]
                        .filter((part) => part.checkVisibility())
                        .every((part) => part.getBoundingClientRect().right <= innerWidth + 0.5
                            && (part.matches(".tile, .card, .bar, .top") || part.scrollWidth <= part.clientWidth + 1))"""
            )
        )
