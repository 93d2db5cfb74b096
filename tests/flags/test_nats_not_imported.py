"""With every flag on simple, nats is never imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from app.compare.system import ROOT
from app.ports import free_port
from tests.guest import WAIT
from tests.web import environment

CHAT = """
import json, sys, threading
from app.settings import from_env
settings = from_env()
from app.concurrency import patch
concurrency = patch(settings.async_mode)
from app import create_app

server = create_app(settings, concurrency)
server.start()

def chat():
    from tests.guest import Guest
    guest = Guest(settings.url, "Ann")
    guest.join("lobby")
    found = guest.found(guest.say("lobby", "Hello")["seq"], "triage", "language", "sentiment")
    states = {job["state"] for job in found.values()}
    before = "nats" in sys.modules
    concurrency.await_(server.flags.put("language", {"path": "queued"}), 10)
    print(json.dumps({"states": sorted(states), "before": before, "after": "nats" in sys.modules}))
    import os, signal
    guest.close()
    os.kill(os.getpid(), signal.SIGTERM)

concurrency.serve(server.flask, server.transport.listener, settings.host, settings.port, 64,
    lambda port: threading.Thread(target=chat, daemon=True).start(), server.drain)
"""


def test_chat_with_models_on_the_simple_path_never_imports_nats(tmp_path: Path, ml_url: str) -> None:
    """The same process imports it as soon as a flag says queued: that the first half can fail is shown by the second."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHAT],
        cwd=ROOT,
        env=environment(PORT=str(free_port()), DATA_DIR=str(tmp_path), ML_URL=ml_url, NATS_URL="nats://127.0.0.1:9"),
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    (answer,) = (line for line in done.stdout.splitlines() if line.startswith('{"states"'))
    assert json.loads(answer) == {"states": ["succeeded"], "before": False, "after": True}
