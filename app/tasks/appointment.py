"""The dates and times that somebody means."""

import re

from app.tasks import Text, Written, task
from ml_clients import times as model
from ml_clients.times import Times

MAYBE = re.compile(r"\d|noon|half past|quarter|\bin an? ", re.IGNORECASE)


def may_name_a_time(text: str) -> bool:
    """Whether there is anything that could be a time."""
    return MAYBE.search(text) is not None


@task(runs=("message", "request"), on=False, when=may_name_a_time)
def appointment(text: Text, written: Written) -> Times:
    """Dates and times in a message"""
    return model.find(text, written["at"], written["zone"])
