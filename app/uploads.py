"""Images and sounds that people send, and those tasks make: kept as files, handed around as IDs, fetched through signed links."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog
from sqlalchemy import select

from app.concurrency import Concurrency
from app.ids import new_id
from app.jobs.job import Job
from app.links import Links
from app.payload import Refused
from app.pictures import SMALL_TYPE, is_image, look_at, small_copy
from app.rate import Buckets
from app.sounds import listen_to
from app.store.hand_back import hand_back
from app.store.portable import upsert
from app.store.schema import jobs, uploads
from app.store.store import Store

T = TypeVar("T")

log = structlog.get_logger()

DECODED_AT_ONCE = 2  # a large one takes 160 MB meanwhile
REMEMBERED = 10_000  # looks of uploads, and jobs without a ledger whose output is still taken
ADDRESS = 10.0  # times what one person may send
BYTES_AN_HOUR = 20.0  # times the largest upload, for one person


class Upload(msgspec.Struct, frozen=True):
    """One stored image or sound; a sound is 0 pixels wide and high."""

    id: str
    room: str
    type: str
    bytes: int
    width: int
    height: int
    at: float


class Uploads:
    """Keeps the files under DATA_DIR and their rows in the store. On the loop, except where it says otherwise."""

    def __init__(
        self,
        store: Store,
        concurrency: Concurrency,
        folder: Path,
        links: Links,
        max_bytes: int,
        rate: float | None,
    ) -> None:
        """A person may send `rate` images a minute, each of at most `max_bytes`."""
        self._store, self._concurrency, self._folder, self.links = store, concurrency, folder, links
        self.max_bytes, self._rate, self._buckets = max_bytes, rate, Buckets()
        self._decoding = asyncio.Semaphore(DECODED_AT_ONCE)
        self._unkept: dict[str, str] = {}  # room of the newest jobs that no ledger knows
        self._looks: dict[str, dict[str, int | str]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    async def take(self, room: str, person: str, address: str, content: bytes) -> str:
        """Keep what somebody in this room sends; raises Refused."""
        self._check_rate(person, address, len(content))
        return await self.keep(room, content)

    async def keep(self, room: str, content: bytes, id: str | None = None) -> str:
        """Keep an image or a sound and return its ID; raises Refused when it is neither, or cannot be written."""
        async with self._decoding:
            kind, width, height = await self._in_thread(recognized, content)
            small = await self._in_thread(small_copy, content) if width else None
        upload = Upload(id or new_id(), room, kind, len(content), width, height, time.time())
        # The file first: a row without its file would be a promise we cannot keep.
        try:
            await self._in_thread(_write, self._folder / upload.id, content)
            await self._in_thread(_write_small, _small(self._folder / upload.id), small)
        except OSError as error:
            log.error("an upload cannot be kept", error=str(error))
            raise Refused("busy", "the file could not be kept just now: try again", retry_after=1.0) from None
        values = msgspec.structs.asdict(upload)
        await self._store.change(lambda connection: upsert(connection, uploads, {**values, "used": False}, values))
        _remember(self._looks, upload.id, _looks(upload))
        return upload.id

    async def find(self, id: str, small: bool = False) -> tuple[Upload, bytes]:
        """The upload and its content, or its `small` copy where there is one; raises Refused(not_found)."""
        upload = await self._find(id)
        if upload is None:
            raise Refused("not_found", "there is no such upload")
        if small and (copy := await self._content(_small(self._folder / id))) is not None:
            return msgspec.structs.replace(upload, type=SMALL_TYPE), copy
        content = await self._content(self._folder / id)
        if content is None:  # removed in this moment
            raise Refused("not_found", "there is no such upload")
        return upload, content

    async def discard(self, ids: list[str]) -> None:
        """Remove the files of these uploads, whose rows are gone; in a thread, as a disk may be slow."""
        files = [self._folder / id for id in ids]
        await self._in_thread(_remove, [*files, *map(_small, files)])

    async def is_in(self, room: str, id: str) -> bool:
        """Whether this upload was sent to this room."""
        upload = await self._find(id)
        if upload is not None:
            _remember(self._looks, id, _looks(upload))
        return upload is not None and upload.room == room

    def size(self, id: str) -> dict[str, int | str]:
        """`{width, height}` of an image in pixels, `{type}` of a sound, if it was kept or asked for lately; empty for others."""
        return self._looks.get(id, {})

    async def room_of_job(self, id: str) -> str:
        """The room of the job whose output this is; raises Refused(not_found)."""
        room = self._unkept.get(id) or await self._store.read(
            lambda c: c.execute(select(jobs.c.room).where(jobs.c.id == id)).scalar()
        )
        if room is None:
            raise Refused("not_found", "there is no such upload")
        return str(room)

    def links_of_unkept(self, job: Job) -> dict[str, str]:
        """As `links.of`, for LEDGER=off, from any thread: no ledger will know the job's room when its output comes."""
        _remember(self._unkept, job.id, job.room)
        return self.links.of(job)

    def _check_rate(self, person: str, address: str, size: int) -> None:
        if self._rate is None:
            return
        for name, times in ((f"person {person}", 1.0), (f"address {address}", ADDRESS)):
            images, most = self._rate * times, self.max_bytes * BYTES_AN_HOUR * times
            wait = self._buckets.of(name, images / 60, images).take()
            wait = wait or self._buckets.of(f"bytes of {name}", most / 3600, most).take(size)
            if wait:
                why = f"a person sends at most {self._rate:g} images a minute, and so many bytes an hour"
                raise Refused("rate_limited", why, retry_after=max(0.001, round(wait, 3)))

    async def _find(self, id: str) -> Upload | None:
        columns = [uploads.c[name] for name in Upload.__struct_fields__]
        row = await self._store.read(lambda c: c.execute(select(*columns).where(uploads.c.id == id)).first())
        return Upload(*row) if row is not None else None

    async def _content(self, path: Path) -> bytes | None:
        try:
            return await self._in_thread(path.read_bytes)
        except FileNotFoundError:
            return None

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """The function's value, computed in a real thread."""
        loop = self._concurrency.loop
        done: asyncio.Future[T] = loop.create_future()
        self._concurrency.os_thread(hand_back, loop, done, function, *args)
        return await done


def recognized(content: bytes) -> tuple[str, int, int]:
    """Content type, width and height of an image or a sound; raises Refused for anything else."""
    return look_at(content) if is_image(content) else (listen_to(content), 0, 0)


def _looks(upload: Upload) -> dict[str, int | str]:
    """What a message says of its upload."""
    return {"width": upload.width, "height": upload.height} if upload.width else {"type": upload.type}


def _remember(known: dict[str, T], id: str, value: T) -> None:
    """Note it, and forget the oldest where there are too many."""
    known[id] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _small(path: Path) -> Path:
    return path.with_name(f"{path.name}.small")


def _write_small(path: Path, content: bytes | None) -> None:
    """Write it, or remove that of what was kept under this ID before."""
    if content is None:
        path.unlink(missing_ok=True)
    else:
        _write(path, content)


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.{new_id()}")
    try:
        part.write_bytes(content)
        part.replace(path)  # nobody ever sees half a file
    except OSError:
        part.unlink(missing_ok=True)
        raise
