"""`make bench`: speed and memory of the whole system on this machine. Prints figures, judges nothing but its own bounds."""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil
import socketio
from rich.console import Console
from rich.table import Table

from app.drive.client import FINAL, Person
from app.drive.system import System

CLIENTS, RATE, SECONDS, SUMMARIES = 50, 200, 15.0, 8
IDLE = 2000
SINGLE_JOBS = 200
TEXTS = (
    "I have had a headache for two days and nothing helps",
    "Can I move my appointment to Thursday?",
    "Thank you, that was very kind of you",
    "My prescription has run out, can you renew it?",
    "The app shows an error when I log in",
    "I feel dizzy and my chest hurts",
)
console = Console()


def main() -> None:
    """Run every part on both paths and print one table."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    table = Table("what", "simple", "queued", "bound", box=None, header_style="bold")
    rows: dict[str, list[str]] = {}
    for path in ("simple", "queued"):
        with System(RATE_LIMIT="off") as system:
            system.flag(path)
            for name, value in asyncio.run(_measure(system, path)).items():
                rows.setdefault(name, []).append(value)
    for name, values in rows.items():
        table.add_row(name.split("|")[0], *values, name.split("|")[1])
    rate = subprocess.run([sys.executable, "-m", "tests.inserts"], capture_output=True, text=True, check=True).stdout
    table.add_row("acknowledged inserts into the ledger, jobs/s", rate.strip(), "same", "5000")
    console.print(table)


async def _measure(system: System, path: str) -> dict[str, str]:
    figures: dict[str, str] = {}
    overhead = await _overhead(system)
    figures["job overhead p50 / p99, ms|p50 under 3 simple, 10 queued"] = _p(overhead)
    console.print(f"{path}: overhead {_p(overhead)} ms")
    acks, jobs, drain, memory = await _load(system)
    figures["ack under load p50 / p99, ms|5 / 60"] = _p(acks)
    figures["jobs of the load|"] = str(jobs)
    figures["time to drain after it, s|"] = f"{drain:.1f}"
    figures["web / worker / model server after it, MB|150 / 80 / -"] = memory
    console.print(f"{path}: acks {_p(acks)} ms, {jobs} jobs, drained in {drain:.1f} s, MB {memory}")
    figures["idle websockets connected and there after 5 s|2000"] = str(await _idle(system))
    return figures


async def _overhead(system: System) -> list[float]:
    """Milliseconds from asking for a job to seeing its result, less what the task itself took."""
    person = Person(system.url, "Ann", "overhead")
    await person.connect()
    taken = []
    for number in range(SINGLE_JOBS):
        before = time.perf_counter()
        job = await person.ask("language", {"text": f"Guten Morgen, das ist Zeile {number}"})
        while person.books.jobs[job["id"]]["state"] not in FINAL:
            await asyncio.sleep(0.0005)
        final = person.books.jobs[job["id"]]
        seen = next(at for state, at in person.books.times[job["id"]].items() if state in FINAL)
        taken.append((seen - before) * 1000 - final["ms"])
    await person.close()
    return taken[20:]


async def _load(system: System) -> tuple[list[float], int, float, str]:
    """50 clients in rooms of two, 200 messages/s in all, each with three jobs, while 8 long rooms are summarized."""
    long_rooms = [Person(system.url, f"Long {i}", f"long-{i}") for i in range(SUMMARIES)]
    await asyncio.gather(*(person.connect() for person in long_rooms))
    for number in range(200):
        await asyncio.gather(
            *(person.say(f"{TEXTS[number % len(TEXTS)]} ({number}, {i})") for i, person in enumerate(long_rooms))
        )
    for person in long_rooms:
        await person.settled(600, 120)
    people = [Person(system.url, f"Person {i}", f"room-{i // 2}") for i in range(CLIENTS)]
    await asyncio.gather(*(person.connect() for person in people))
    for person in long_rooms:
        await person.ask("summarize")
    begin = time.perf_counter()
    await asyncio.gather(*(_talk(person, number, begin) for number, person in enumerate(people)))
    ended = time.perf_counter()
    everybody = [*people, *long_rooms]
    await asyncio.gather(*(person.settled(1, 300) for person in everybody))
    drain = time.perf_counter() - ended
    acks = [ack * 1000 for person in people for ack in person.books.acks]
    jobs = sum(len(person.books.jobs) for person in people[::2]) + SUMMARIES
    memory = _memory(system)
    await asyncio.gather(*(person.close() for person in everybody))
    return acks, jobs, drain, memory


async def _talk(person: Person, number: int, begin: float) -> None:
    """Open arrivals: each message has its time, whether or not the one before is acknowledged."""
    gap = CLIENTS / RATE
    sending = []
    for turn in range(int(SECONDS / gap)):
        await asyncio.sleep(max(0.0, begin + turn * gap + number * gap / CLIENTS - time.perf_counter()))
        sending.append(asyncio.create_task(person.say(f"{TEXTS[(turn + number) % len(TEXTS)]} ({turn}, {number})")))
    await asyncio.gather(*sending)


async def _idle(system: System) -> int:
    clients = [socketio.AsyncClient(reconnection=False) for _ in range(IDLE)]
    for start in range(0, IDLE, 100):
        group = clients[start : start + 100]
        await asyncio.gather(
            *(c.connect(system.url, auth={"name": f"idle {start}"}, transports=["websocket"]) for c in group)
        )
    await asyncio.sleep(5)
    there = sum(bool(client.connected) for client in clients)
    await asyncio.gather(*(client.disconnect() for client in clients))
    return there


def _memory(system: System) -> str:
    """Resident megabytes of the web process, the worker and the model server."""
    sizes = {}
    for child in psutil.Process(system.process.pid).children(recursive=True):
        command = " ".join(child.cmdline())
        for name in ("wsgi.py", "app.worker", "ml_clients.embedded"):
            if name in command:
                sizes[name] = child.memory_info().rss / 1e6
    return " / ".join(f"{sizes.get(name, 0):.0f}" for name in ("wsgi.py", "app.worker", "ml_clients.embedded"))


def _p(values: Sequence[float]) -> str:
    cuts = statistics.quantiles(values, n=100)
    return f"{cuts[49]:.1f} / {cuts[98]:.1f}"


if __name__ == "__main__":
    main()
