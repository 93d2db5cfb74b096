"""What a start costs with a million jobs waiting at the broker, or 50,000 here: `python -m tests.million`."""

from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.compare.system import ROOT
from app.ports import free_port
from app.store.sqlite import SQL
from app.store.statements import JOB_COLUMNS
from tests.web import environment

JOBS, HERE, ROOMS = 1_000_000, 50_000, 1_000


def main() -> None:
    """Start on an empty database and on full ones; print seconds until ready and megabytes a second later."""
    for count, where in ((JOBS, "at the broker"), (HERE, "on the simple path")):
        with tempfile.TemporaryDirectory() as folder:
            empty = start(Path(folder))
            fill(Path(folder) / "spillway.db", count, where == "at the broker")
            full = start(Path(folder))
        print(f"empty: ready after {empty[0]:.2f} s, {empty[1]:.0f} MB")
        print(f"{count:,} jobs {where}: ready after {full[0]:.2f} s, {full[1] - empty[1]:+.0f} MB")


def start(folder: Path) -> tuple[float, float]:
    """Seconds until the web process is ready, and its megabytes after another second; models never answer."""
    settings = {
        "PORT": str(free_port()),
        "DATA_DIR": str(folder),
        "NATS_URL": "nats://127.0.0.1:9",
        "DRAIN_SECONDS": "0",
    }
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings["ML_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
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


def fill(database: Path, count: int, parked: bool) -> None:
    """Put jobs into the ledger, half of an ordered task: as the broker has had them for a while, or as they wait here."""
    connection = sqlite3.connect(database)
    connection.executemany(SQL["job"], rows(time.time(), count, parked))
    mark = int(time.time() * 1e6) + 1 << 10 if parked else 0
    connection.execute("INSERT OR REPLACE INTO marks VALUES ('unfinished', ?)", (mark,))
    connection.commit()
    connection.close()


def rows(now: float, count: int, parked: bool) -> Iterator[tuple[Any, ...]]:
    """So many unfinished jobs."""
    for number in range(count):
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
            "path": "queued" if parked else "simple",
            "state": "accepted",
            "attempt": 1,
            "attempts": 8,
            "deaths": 0,
            "published": int(parked),
            "stream_seq": number + 1 if parked else None,
            "parked": parked,
            "at": now,
            "deadline": now + 900,
            "delivered": False,
            "dead": False,
            "changed": 0,
        }
        yield tuple(values.values())


if __name__ == "__main__":
    main()
