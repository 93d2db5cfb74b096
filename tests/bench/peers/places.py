"""Where the peers are installed, and which of them are missing."""

from __future__ import annotations

import shutil
from pathlib import Path

from app.compare.system import ROOT

NODE_FOLDER = ROOT / ".venv" / "peers"
PYTHON_FOLDER = ROOT / ".venv" / "peers-python"
SCRIPTS = Path(__file__).parent


def missing() -> dict[str, str]:
    """The peers that cannot run here, each with the reason; stock Flask-SocketIO and nats-py are always here."""
    node = shutil.which("node") is not None
    redis = shutil.which("redis-server") is not None
    socket_io = (NODE_FOLDER / "node_modules" / "socket.io").is_dir()
    bullmq = (NODE_FOLDER / "node_modules" / "bullmq").is_dir()
    celery = any(PYTHON_FOLDER.glob("lib/python*/site-packages/celery"))
    found = {
        "node": _why((node, "node"), (socket_io, "the npm package socket.io")),
        "bullmq": _why((node, "node"), (bullmq, "the npm package bullmq"), (redis, "redis-server")),
        "celery": _why((celery, "the Python package celery"), (redis, "redis-server")),
    }
    return {peer: why for peer, why in found.items() if why}


def _why(*needs: tuple[bool, str]) -> str:
    absent = [name for there, name in needs if not there]
    return f"{' and '.join(absent)} not installed (make bench-peers)" if absent else ""
