"""The path auto chooses: both paths are used when the simple one is full, and nobody can tell from the answers."""

from __future__ import annotations

from collections.abc import Callable

import requests

from app.compare.system import System
from tests.guest import WAIT, Guest
from tests.lossless.evidence import until


def test_what_the_simple_path_cannot_take_goes_to_the_queue(
    system: System, guests: Callable[..., Guest], room: str
) -> None:
    system.flag("auto")
    until(
        lambda: requests.get(f"{system.url}/readyz", timeout=WAIT).ok, "the queue is there: it connects when asked for"
    )
    ann = guests(system.url, "Ann")
    ann.join(room)
    for number in range(60):
        ann.emit("message:send", {"room": room, "key": f"k{number}", "text": f"This is line {number}"})
    jobs = [
        job
        for seq in range(1, 61)
        for job in (ann.saw("message:new", seq=seq) and ann.found(seq, "triage", "language", "sentiment")).values()
    ]
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert {job["path"] for job in jobs} == {"simple", "queued"}
