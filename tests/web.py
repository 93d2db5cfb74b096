"""One process of the application by itself, started as operators start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from app.compare.system import ROOT
from app.ports import free_port
from app.settings import Settings
from tests.guest import WAIT
from tests.logs import assert_no_traceback


def environment(**settings: str) -> dict[str, str]:
    """Our own environment without any setting, and these."""
    names = {name.upper() for name in Settings.__dataclass_fields__}
    return {**{key: value for key, value in os.environ.items() if key not in names}, **settings}


def ended(command: Sequence[str], settings: Mapping[str, str], root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """How a program of ours ended that is expected to end by itself, and what it printed."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )


class Web:
    """`python wsgi.py` on a free port, without a queue unless NATS_URL says otherwise."""

    def __init__(self, data: Path, root: Path = ROOT, **settings: str) -> None:
        data.mkdir(exist_ok=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = data / "web.log"
        self.headers: dict[str, str] = {}  # of an operator's requests
        self._root = root
        self._environment = environment(PORT=str(port), DATA_DIR=str(data), **settings)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            assert_no_traceback(self.log)

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self.log.open("a") as log:
            mark = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "wsgi.py"], cwd=self._root, env=self._environment, stdout=log, stderr=log
            )
        until = time.monotonic() + WAIT
        while "web ready" not in self.log.read_text()[mark:]:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, "the web process does not get ready"
            time.sleep(0.02)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)
