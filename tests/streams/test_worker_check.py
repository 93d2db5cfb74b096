"""Our own worker keeps what docs/workers.md says of texts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker import RealBroker
from tests.guest import WAIT
from tests.lossless.worker import Worker
from tests.web import environment


@pytest.mark.slow
def test_our_worker_tells_its_text_as_the_page_says(checkout: Path, own_broker: RealBroker, tmp_path: Path) -> None:
    settings = {"NATS_URL": own_broker.url, "NATS_PREFIX": "check"}
    with Worker(checkout, tmp_path / "worker.log", **settings) as worker:
        worker.ready()
        words = ["worker-check", "--task", "story", "--args", '{"words": 30}', "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "app", *words],
            cwd=checkout,
            env=environment(**settings),
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
    findings = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tells its text as it grows" in str(findings)
