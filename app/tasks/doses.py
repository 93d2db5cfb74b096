"""Amounts of medicines that somebody names."""

import re

from app.tasks import Text, task
from ml_clients import doses as model
from ml_clients.doses import Doses

MAYBE = re.compile(
    r"\d|tablet|pill|capsule|drop|puff|spoon|unit|gram|\b(?:half|one|two|three|four|five|six|eight|ten) ", re.IGNORECASE
)


def may_name_an_amount(text: str) -> bool:
    """Whether there is anything that could be an amount."""
    return MAYBE.search(text) is not None


@task(runs=("message", "request"), on=False, when=may_name_an_amount)
def doses(text: Text) -> Doses:
    """Amounts of medicines in a message"""
    return model.find(text)
