"""`python -m app.compare.drivers`: one process that drives a system with real clients, in some of a workload's rooms.

Arrivals are open: each message goes out when it is due, whether or not those before it were answered, and its time
counts from then. A slow system does not slow its own load (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import msgspec
import requests
from PIL import Image
from socketio.exceptions import ConnectionError

from app.compare.orders import Answer, Begin, Done, News, Orders, Settled
from app.compare.room import Place
from app.drive.client import NotAccepted

NEWS_EVERY = 0.5  # seconds


async def drive(orders: Orders) -> None:
    """Connect, wait for the word, drive, wait until all is final, and tell what was seen."""
    places = {
        room: Place(orders, room, names, _picture(orders.url, room) if _wants_picture(orders) else None)
        for room, names in orders.writers.items()
    }
    for some in _groups(list(places.values()), 50):
        await asyncio.gather(*(place.open() for place in some))
    _tell(Begin(len(places)))
    word = await asyncio.to_thread(sys.stdin.readline)
    if not word:
        return  # whoever wanted this load is gone
    begin = float(word)
    for place in places.values():
        place.begin = begin
    news = asyncio.create_task(_news(list(places.values())))
    await asyncio.gather(*(places[arrival.room].send(arrival) for arrival in orders.due))
    await _settled(list(places.values()), orders.patience)
    news.cancel()
    _tell(Settled())
    _tell(await _done(orders, list(places.values())))
    await asyncio.gather(*(place.close() for place in places.values()))


async def _settled(places: list[Place], patience: float) -> None:
    """Until every job that must come is final, or nothing has moved for too long."""
    final, since = -1, time.monotonic()
    while not all(place.settled() for place in places):
        now = sum(place.final() for place in places)
        if now != final:
            final, since = now, time.monotonic()
        if time.monotonic() - since > patience:
            return
        await asyncio.sleep(0.1)


async def _done(orders: Orders, places: list[Place]) -> Done:
    jobs = [row for place in places for row in place.jobs()]
    last = max((arrival.at for arrival in orders.due), default=0.0)
    ends = [row.final for row in jobs if row.final is not None]
    complete = all(row.state != "lost" for row in jobs)
    done = Done(
        acks=[ack for place in places for ack in place.acks],
        jobs=jobs,
        drained=max(0.0, max(ends, default=last) - last) if complete else None,
        lost=[],
        doubled=[],
        disordered=[],
    )
    for place in places:
        found = await place.audit()
        done.lost += found.lost
        done.doubled += found.doubled
        done.disordered += found.disordered
    return done


async def _news(places: list[Place]) -> None:
    while True:
        await asyncio.sleep(NEWS_EVERY)
        _tell(News(sum(len(place.acks) for place in places), sum(place.final() for place in places)))


def _wants_picture(orders: Orders) -> bool:
    return any("upload" in takes for takes in orders.takes.values())


def _picture(url: str, room: int) -> str:
    """An upload for this room: a coloured image such as people send."""
    image = BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((640, 480)).save(image, "JPEG")
    answer = requests.post(
        f"{url}/api/uploads",
        data={"room": Place.name_of(room)},
        files={"file": ("picture.jpg", image.getvalue(), "image/jpeg")},
        headers={"Origin": url},
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["upload"])


def _groups(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _tell(answer: Answer) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    """Do as told; 1 with a sentence when the system does not let the clients in."""
    orders = msgspec.json.decode(sys.stdin.readline(), type=Orders)
    try:
        asyncio.run(drive(orders))
    except (ConnectionError, NotAccepted, OSError) as error:
        print(f"driver: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
