"""What nobody here uses is not loaded, and whoever wants it all the same can have it."""

from __future__ import annotations

import subprocess
import sys

from app.compare.system import ROOT
from tests.guest import WAIT

ASK = """
import sys
import app.worker
print(sys.modules["aiohttp"].__class__.__name__, "aiohttp.client" in sys.modules)
import nats.aio.transport
import aiohttp.web
print(nats.aio.transport.aiohttp.ClientSession is aiohttp.ClientSession is sys.modules["aiohttp"].ClientSession)
"""


def test_a_worker_loads_no_web_client_until_somebody_wants_one() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK], cwd=ROOT, capture_output=True, text=True, timeout=WAIT, check=True
    )
    assert done.stdout.splitlines() == ["_PutOff False", "True"]
