"""Personal data in a message, and the message without it."""

import re

from app.tasks import Text, task
from ml_clients import personal as model
from ml_clients.personal import Redacted

MAYBE = re.compile(r"@|(?:\d[ ./()-]*){6}", re.ASCII)  # a mail address, or as many digits as a date or number has


def may_hold_some(text: str) -> bool:
    """Whether there is anything that could be personal data."""
    return MAYBE.search(text) is not None


@task(runs=("message", "request"), on=False, when=may_hold_some, chip="{text}")
def redact(text: Text) -> Redacted:
    """Personal data in a message"""
    return model.redact(text)
