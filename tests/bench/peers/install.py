"""`make bench-peers`: install the peers that can be had here; the table of `make bench` names those that cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv

from tests.bench.peers.places import NODE_FOLDER, PYTHON_FOLDER, missing

NODE_PACKAGES = ("socket.io@4.8.4", "bullmq@6.7.0", "ioredis@6.0.0")
PYTHON_PACKAGES = ("celery==5.7.0", "redis==8.1.0", "packaging")


def main() -> int:
    """Try each installation, say what came of it, and return 0: a peer that cannot be had stops nothing."""
    for install in (_node_packages, _python_packages, _redis_server):
        try:
            install()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{install.__name__.strip('_')}: {error}", file=sys.stderr)
    for peer, why in missing().items():
        print(f"{peer} is missing: {why}")
    return 0


def _node_packages() -> None:
    NODE_FOLDER.mkdir(parents=True, exist_ok=True)
    (NODE_FOLDER / "package.json").write_text('{"private": true}\n')
    _run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *NODE_PACKAGES, folder=str(NODE_FOLDER))


def _python_packages() -> None:
    if not (PYTHON_FOLDER / "bin" / "python").exists():
        venv.create(PYTHON_FOLDER, with_pip=True)
    python = str(PYTHON_FOLDER / "bin" / "python")
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYTHON_PACKAGES)


def _redis_server() -> None:
    if shutil.which("redis-server"):
        return
    if os.geteuid() != 0:
        raise OSError("redis-server is installed by apt-get, which needs root")
    # Debian's package starts a server of its own on port 6379 unless it is told not to.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    _run("apt-get", "update", "-qq", environment=environment)
    _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "redis-server", environment=environment)


def _run(*command: str, folder: str | None = None, environment: dict[str, str] | None = None) -> None:
    print(" ".join(command), flush=True)
    subprocess.run(command, cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
