"""What both concurrency libraries promise about the loop."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.compare.system import ROOT
from tests.guest import WAIT

PROGRAM = """
import sys, threading
from app.concurrency import patch
concurrency = patch(sys.argv[1])
import structlog
told, done, gate, logged = [], threading.Event(), threading.Event(), threading.Event()

def note(logger, method, entry):
    told.append(entry["event"])
    logged.set()
    raise structlog.DropEvent

structlog.configure(processors=[note])
home = concurrency.call(threading.get_native_id)

def fails():
    raise ValueError("on purpose")

try:
    concurrency.call(fails)
except ValueError as error:
    told.append(str(error))

for number in range(3):
    concurrency.post(told.append, number)

def waits():
    gate.wait()
    concurrency.start(nested)
    told.append("outer")

def nested():
    told.append("inner")
    told.append(concurrency.call(threading.get_native_id) == home)
    done.set()

concurrency.start(fails)
concurrency.post(concurrency.start, waits)  # from the loop, which goes on though it blocks
concurrency.call(told.append, "not held up")
gate.set()
done.wait()
logged.wait()
print(sorted(map(str, told)))
"""


@pytest.mark.parametrize("mode", ["eventlet", "threading"])
def test_start_call_and_post(mode: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, mode],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    told = ["0", "1", "2", "True", "a background function failed", "inner", "not held up", "on purpose", "outer"]
    assert done.stdout.splitlines()[-1] == str(told), done.stdout + done.stderr
