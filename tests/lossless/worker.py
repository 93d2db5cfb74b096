"""One worker process by itself, started as operators start it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.guest import WAIT
from tests.lossless.evidence import until
from tests.web import environment


class Worker:
    """`python -m app.worker`; the log goes to `log`."""

    def __init__(self, root: Path, log: Path, *options: str, **settings: str) -> None:
        self.log = log
        with log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.worker", *options],
                cwd=root,
                env=environment(**settings),
                stdout=file,
                stderr=file,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ready(self) -> Worker:
        """Wait until it takes jobs."""
        until(lambda: "worker ready" in self.log.read_text(), "the worker is ready")
        return self

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)
