"""Waiting for a shared system to have nothing to do."""

from __future__ import annotations

import time
from collections.abc import Mapping

import requests

from tests import shapes
from tests.guest import WAIT


def quiet(url: str, headers: Mapping[str, str] | None = None) -> None:
    """Wait until no job is under way: other tests share the system, and what they left ends when it ends."""
    until = time.monotonic() + WAIT
    while _under_way(url, headers):
        assert time.monotonic() < until, "jobs are under way and do not end"
        time.sleep(0.05)


def _under_way(url: str, headers: Mapping[str, str] | None) -> bool:
    minutes = requests.get(f"{url}/api/operator", headers=headers, timeout=WAIT).json()["minutes"]
    return any(each["state"] not in shapes.FINAL for each in minutes)
