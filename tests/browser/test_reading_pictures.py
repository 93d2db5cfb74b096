"""Text on a picture, read by the real model, as people see it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import expect

from app.compare.system import System
from tests.browser.conftest import Open
from tests.conftest import need

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reading() -> Iterator[System]:
    """A system that reads text on pictures."""
    need(importlib.util.find_spec("rapidocr") is not None, "rapidocr (make ocr)")
    with System(OCR="1", RATE_LIMIT="off") as system:
        yield system


@pytest.mark.parametrize("path", ["simple", "queued"])
def test_a_picture_of_a_letter_is_uploaded_and_its_text_comes_back(
    reading: System, opened: Open, tmp_path: Path, path: str
) -> None:
    letter = tmp_path / "letter.png"
    image = Image.new("RGB", (640, 160), "white")
    draw = ImageDraw.Draw(image)
    draw.text((20, 30), "Ibuprofen 400 mg", fill="black", font=ImageFont.load_default(32))
    draw.text((20, 90), "twice a day after meals", fill="black", font=ImageFont.load_default(32))
    image.save(letter)
    reading.flag(path)
    ann, ben = (opened(reading.url).join(name, f"letters-{path}") for name in ("Ann", "Ben"))
    with ann.page.expect_file_chooser() as chooser:
        ann.one("task-button", task="ocr").click()
    chooser.value.set_files(letter)
    for tab in (ann, ben):
        expect(tab.one("message", kind="user").locator("img")).to_be_visible()
        answer = tab.one("message", kind="ml").locator(".message-text")
        expect(answer).to_have_text("Text on the image\nIbuprofen 400 mg\ntwice a day after meals", use_inner_text=True)
    expect(ann.one("tray-row")).to_have_count(0)
