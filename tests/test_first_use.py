"""Types that several threads are the first to use: msgspec 0.22 alone would bring the process down there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.compare.system import ROOT

TYPES, THREADS = 60, 8

TOGETHER = f"""
import sys, threading
from typing import Literal, TypedDict

sys.setswitchinterval(1e-6)

def fresh():
    class Answer(TypedDict):
        words: list[str]
        kind: Literal["x", "y"]
        parts: dict[str, float]
    return Answer

def together(uses):
    barrier = threading.Barrier({THREADS})
    def use_all():
        for use in uses:
            barrier.wait()
            use()
    threads = [threading.Thread(target=use_all) for _ in range({THREADS})]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

value = {{"words": ["a"], "kind": "x", "parts": {{"b": 1.0}}}}
"""
USES = {
    "results of tasks": """
import json
from app.tasks import task
def declared():
    def found(text: str): return value
    found.__annotations__["return"] = fresh()
    return task(found)
tasks = [declared() for _ in range(%d)]
together([lambda one=one: one.check_result(json.dumps(value).encode()) for one in tasks])
together([lambda one=one: one.check({"text": "x"}) for one in tasks])
""",
    "answers of models": """
import json
from ml_clients.transport import decode
kinds = [fresh() for _ in range(%d)]
together([lambda kind=kind: decode(json.dumps(value).encode(), kind, "the model") for kind in kinds])
""",
}


@pytest.mark.parametrize("what", USES)
def test_many_threads_may_be_the_first_to_use_a_type(what: str) -> None:
    code = TOGETHER + USES[what] % TYPES
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
