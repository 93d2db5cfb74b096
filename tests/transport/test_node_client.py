"""The official client for JavaScript, on every transport, where node is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from app.compare.system import ROOT
from tests.conftest import need
from tests.guest import WAIT
from tests.transport.peer import Served

VERSION = "4.8.4"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where npm has put socket.io-client."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node is not on this machine")
    folder = tmp_path_factory.mktemp("node")
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", f"socket.io-client@{VERSION}"],
        cwd=folder,
        capture_output=True,
        timeout=WAIT * 2,
        check=False,
    )
    need(done.returncode == 0, "socket.io-client of npm")
    return folder


@pytest.mark.parametrize("transports", ["websocket", "polling", "polling,websocket"])
def test_it_connects_asks_hears_sends_bytes_and_comes_back(served: Served, folder: Path, transports: str) -> None:
    done = subprocess.run(
        ["node", str(ROOT / "tests/transport/client.mjs"), served.url, transports],
        env={**os.environ, "CLIENT_FOLDER": str(folder)},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    assert json.loads(done.stdout) == [
        ["echo", {"text": "grüße"}],
        ["stock", "plain"],
        ["binary", [1, 2, 3]],
        ["shout", "all"],
        ["transport", transports.rsplit(",", maxsplit=1)[-1]],
        ["back", "again"],
    ]
