"""Waiting for a shared system to have nothing to do."""

from __future__ import annotations

import time

import requests

from tests import shapes
from tests.guest import WAIT


def quiet(url: str) -> None:
    """Wait until no job is under way: other tests share the system, and what they left ends when it ends."""
    until = time.monotonic() + WAIT
    while _under_way(url):
        assert time.monotonic() < until, "jobs are under way and do not end"
        time.sleep(0.05)


def _under_way(url: str) -> bool:
    minutes = requests.get(f"{url}/api/operator", timeout=WAIT).json()["minutes"]
    return any(each["state"] not in shapes.FINAL for each in minutes)
