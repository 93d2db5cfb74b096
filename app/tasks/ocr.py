"""The text on an image."""

from app.tasks import Links, Upload, task
from ml_clients import files, picture
from ml_clients.picture import Lines


@task(lane="heavy", timeout=120, needs="OCR")
def ocr(upload: Upload, links: Links) -> Lines:
    """Text on an image"""
    return picture.lines(files.get(links["get"]))
