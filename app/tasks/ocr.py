"""The text on an image."""

from app.tasks import Links, Said, Upload, task
from ml_clients import files, picture
from ml_clients.picture import Lines

MAX_SHOWN = 8_000  # characters: a message holds 8,192


def say(result: Lines) -> Said:
    """The lines, as a message."""
    lines = "\n".join(line["text"] for line in result["lines"])
    return Said(
        f"Text on the image\n{lines[:MAX_SHOWN]}" if lines else "There is no text on the image that could be read."
    )


@task(lane="heavy", timeout=120, needs="OCR", says=say)
def ocr(upload: Upload, links: Links) -> Lines:
    """Text on an image"""
    return picture.lines(files.get(links["get"]))
