"""The codes on an image: of a medicine's box, a letter, a ticket."""

from app.tasks import Links, Upload, task
from ml_clients import files, picture
from ml_clients.picture import Codes


@task(lane="heavy", timeout=60)
def barcode(upload: Upload, links: Links) -> Codes:
    """Bar codes and QR codes on an image"""
    return picture.codes(files.get(links["get"]))
