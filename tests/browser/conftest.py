"""Real browsers: Debian's chromium, driven by Playwright. One browser for these tests, a fresh profile for each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, sync_playwright

from app.compare.system import System
from tests.browser.gate import Gate
from tests.browser.tab import Tab
from tests.conftest import need

FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
PATIENCE = 30_000  # ms until something that must appear counts as missing; a bound, never a measurement
Open = Callable[..., Tab]


def find_chromium() -> str | None:
    """Debian's chromium: its headless shell, which takes half the processor time, or the whole of it."""
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


# Not for the whole session: while it runs, Playwright's own loop keeps others from asyncio.run.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One chromium without a window."""
    chromium = find_chromium()
    need(chromium, "chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def complaints() -> list[str]:
    """What pages wrote to their console as a warning or an error; a test that expects some clears it."""
    return []


@pytest.fixture
def opened(browser: Browser, complaints: list[str]) -> Iterator[Open]:
    """Opens tabs of people who know nothing of each other; afterwards no console may hold a complaint."""
    contexts = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def open_tab(url: str, size: tuple[int, int] = (1280, 800), touch: bool = False) -> Tab:
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return Tab(page, url)

    yield open_tab
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def gate(ml_url: str) -> Iterator[Gate]:
    """A closed gate in front of the models."""
    made = Gate(ml_url)
    yield made
    made.release()
    made.server.shutdown()
    made.server.server_close()


def until(true: Callable[[], object], what: str, seconds: float = PATIENCE / 1000) -> None:
    """Wait for something outside the browser."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.05)


@pytest.fixture
def ann(opened: Open, system: System, room: str) -> Tab:
    """Ann in her tab."""
    return opened(system.url).join("Ann", room)


@pytest.fixture
def ben(opened: Open, system: System, room: str, ann: Tab) -> Tab:
    """Ben in his, after Ann."""
    return opened(system.url).join("Ben", room)
