"""What a start costs with a million jobs waiting at the broker: `python -m tests.million`."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.compare.system import ROOT, free_port
from app.store.statements import JOB_COLUMNS, STATEMENTS
from tests.web import environment

JOBS, ROOMS = 1_000_000, 1_000


def main() -> None:
    """Start on an empty database and on a full one; print seconds until ready and megabytes a second later."""
    with tempfile.TemporaryDirectory() as folder:
        empty = start(Path(folder))
        print(f"empty: ready after {empty[0]:.2f} s, {empty[1]:.0f} MB")
        fill(Path(folder) / "spillway.db")
        full = start(Path(folder))
        print(f"{JOBS:,} jobs at the broker: ready after {full[0]:.2f} s, {full[1] - empty[1]:+.0f} MB")


def start(folder: Path) -> tuple[float, float]:
    """Seconds until the web process is ready, and its megabytes after another second."""
    settings = {"PORT": str(free_port()), "DATA_DIR": str(folder), "NATS_URL": "nats://127.0.0.1:9"}
    before = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "wsgi.py"],
        cwd=ROOT,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.readline()
    seconds = time.monotonic() - before
    time.sleep(1.0)
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
    process.terminate()
    process.wait()
    return seconds, int(found[1]) / 1024 if found else 0.0


def fill(database: Path) -> None:
    """Put the jobs into the ledger as they are once the broker has had them for a while: half of an ordered task."""
    connection = sqlite3.connect(database)
    connection.executemany(STATEMENTS["job"], rows(time.time()))
    connection.execute("INSERT OR REPLACE INTO marks VALUES ('unfinished', ?)", (int(time.time() * 1e6) + 1 << 10,))
    connection.commit()
    connection.close()


def rows(now: float) -> Iterator[tuple[Any, ...]]:
    """A million parked jobs."""
    for number in range(JOBS):
        values: dict[str, Any] = dict.fromkeys(JOB_COLUMNS)
        ordered = bool(number % 2)
        values |= {
            "n": int(now * 1e6) - 2 * JOBS + number << 10,
            "id": f"{number:026d}",
            "room": f"room{number % ROOMS}",
            "key": f"k{number}",
            "sender_id": "ann",
            "sender_name": "Ann",
            "task": "summarize" if ordered else "triage",
            "args": '{"history":[]}' if ordered else '{"text":"hello"}',
            "path": "queued",
            "state": "accepted",
            "attempt": 1,
            "attempts": 8,
            "deaths": 0,
            "published": 1,
            "stream_seq": number + 1,
            "parked": True,
            "at": now,
            "deadline": now + 900,
            "delivered": False,
            "dead": False,
            "changed": 0,
        }
        yield tuple(values.values())


if __name__ == "__main__":
    main()
