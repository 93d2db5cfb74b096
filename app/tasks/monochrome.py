"""An image in black and white, by reference: the job carries links, never the image."""

from typing import TypedDict

from app.tasks import Links, Said, Upload, task
from ml_clients import files, picture


class Monochrome(TypedDict):
    """The upload that holds the black and white image."""

    upload: Upload


def say(result: Monochrome) -> Said:
    """The image, as a message."""
    return Said("In black and white", upload=result["upload"])


@task(lane="heavy", timeout=60, says=say)
def monochrome(upload: Upload, links: Links) -> Monochrome:
    """Image to black and white"""
    image = files.get(links["get"])
    return Monochrome(upload=files.put(links["put"], picture.monochrome(image))["upload"])
