"""A small image without metadata, by reference."""

from typing import TypedDict

from app.tasks import Links, Said, Upload, task
from ml_clients import files, picture


class Thumbnail(TypedDict):
    """The upload that holds the small image."""

    upload: Upload


def say(result: Thumbnail) -> Said:
    """The image, as a message."""
    return Said("Small, without what it says of where it was taken", upload=result["upload"])


@task(lane="heavy", timeout=60, says=say)
def thumbnail(upload: Upload, links: Links) -> Thumbnail:
    """Small image without metadata"""
    image = files.get(links["get"])
    return Thumbnail(upload=files.put(links["put"], picture.thumbnail(image))["upload"])
