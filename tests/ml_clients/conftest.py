import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ml_clients
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.models import FILES
from ml_clients.transport import DEFAULT_URL

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def model_server() -> Iterator[str]:
    """The URL of a real model server; that it stops cleanly is part of every session."""
    server = subprocess.Popen(
        [sys.executable, "-m", "ml_clients.embedded", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    ready = server.stdout.readline()
    yield ready.split()[-1]
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=20)
    assert server.returncode == 0


@pytest.fixture
def models(model_server: str) -> Iterator[str]:
    """The clients talk to the real model server."""
    ml_clients.configure(model_server)
    yield model_server
    ml_clients.configure(DEFAULT_URL)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder.load(FILES)
