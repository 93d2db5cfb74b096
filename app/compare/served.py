"""What a run is driven against: a fresh system on one path, and the synthetic model server where one is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec
import psutil

from app.compare.workload import Workload
from app.drive.system import NotReady, System

NEUTRAL = {  # settings of whoever compares that would lead a run to their own data, or make every variant the same
    "HOST": "127.0.0.1",
    "PUBLIC_URL": "",
    "DATABASE_URL": "",
    "NATS_CREDS": "",
    "NATS_PREFIX": "",
    "LEDGER": "on",
    "RATE_LIMIT": "off",  # one writer stands for all the people of a room
    "LOG_LEVEL": "warning",
}


class RunFailed(Exception):
    """A run could not be made; the message says which part did not do its work."""


@contextmanager
def served(variant: str, workload: Workload, models: str, seed: int) -> Iterator[tuple[System, psutil.Process | None]]:
    """The system with the parts this variant needs, and the synthetic model server; raises RunFailed.

    It stops as an operator would stop it; when the run breaks off, everything ends at once.
    """
    settings = {**NEUTRAL, "DEFAULT_PATH": "simple" if variant == "plain" else variant}
    if variant == "plain":
        settings["LEDGER"] = "off"
    with ExitStack() as stack:
        model = None
        if models == "synthetic":
            model, settings["ML_URL"] = stack.enter_context(_synthetic(workload, seed))
        # mypy would hold the settings, all of them texts, against every other parameter.
        system = System(queue=variant in ("queued", "auto"), **settings)  # type: ignore[arg-type]
        try:
            stack.enter_context(system)
        except NotReady:
            raise RunFailed(f"{variant} did not start: {system.last_words()}") from None
        try:
            yield system, model
        except BaseException:
            system.kill()
            raise


@contextmanager
def _synthetic(workload: Workload, seed: int) -> Iterator[tuple[psutil.Process, str]]:
    times = msgspec.json.encode(workload.times).decode()
    process = subprocess.Popen(
        [sys.executable, "-m", "ml_clients.synthetic", "--port", "0", "--seed", str(seed), "--times", times],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        ready = re.search(r"ready (\S+)", process.stdout.readline())  # type: ignore[union-attr]  # it has one
        if ready is None:
            raise RunFailed("the synthetic model server did not start (see its line above)")
        yield psutil.Process(process.pid), ready[1]
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
