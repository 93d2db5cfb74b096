"""A network that is cut, or swallows everything for a while: between three web processes and their database, or the broker."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from app.compare.system import System
from tests.cluster import running
from tests.faults.load import Crowd
from tests.faults.parts import Broker, Proxy
from tests.faults.several import Several


@contextlib.contextmanager
def to_database(settings: dict[str, Any]) -> Iterator[System]:
    """Three web processes that reach PostgreSQL through a proxy."""
    with running() as cluster, contextlib.closing(Proxy(cluster.port)) as proxy:
        url = cluster.database().replace(f":{cluster.port}/", f":{proxy.port}/")
        with Several(url, **settings) as system:
            system.proxy = proxy  # type: ignore[attr-defined]  # for what is done to it
            yield system


@contextlib.contextmanager
def to_broker(settings: dict[str, Any]) -> Iterator[System]:
    """Three web processes and a worker that reach their broker through a proxy."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running() as cluster,
        contextlib.closing(Broker(Path(folder))) as broker,
        contextlib.closing(Proxy(broker.port)) as proxy,
        Several(cluster.database(), NATS_URL=f"nats://127.0.0.1:{proxy.port}", **settings) as system,
    ):
        system.proxy = proxy  # type: ignore[attr-defined]  # for what is done to it
        yield system


async def cut(crowd: Crowd, rng: Random) -> None:
    """Connections are cut, or nothing comes through for up to 8 s and they are cut then."""
    proxy = crowd.system.proxy  # type: ignore[attr-defined]  # as above
    assert isinstance(proxy, Proxy)
    if rng.random() < 0.7:
        proxy.hold()
        await asyncio.sleep(rng.uniform(1, 8))
        proxy.cut()
        proxy.release()
    else:
        proxy.cut()
