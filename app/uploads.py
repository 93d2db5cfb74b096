"""Images people send, and those tasks make: kept as files, handed around as IDs, fetched through signed links."""

from __future__ import annotations

import asyncio
import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from itsdangerous import Signer
from PIL import Image, UnidentifiedImageError
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from app.concurrency import Concurrency
from app.ids import new_id
from app.jobs.job import Job
from app.payload import Refused
from app.store.hand_back import hand_back
from app.store.schema import jobs, uploads
from app.store.store import Store

T = TypeVar("T")

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
MAX_PIXELS = 40_000_000  # what the embedded model server takes; the largest phone cameras stay below when saved as JPEG
LINK_SECONDS = 24 * 3600
UNKEPT = 10_000  # jobs without a ledger whose output is still taken


class Upload(msgspec.Struct, frozen=True):
    """One stored image."""

    id: str
    room: str
    type: str
    bytes: int
    width: int
    height: int
    at: float


class Uploads:
    """Keeps the files under DATA_DIR and their rows in the store."""

    def __init__(self, store: Store, concurrency: Concurrency, folder: Path, key: str, url: str) -> None:
        self._store, self._concurrency, self._folder, self._key, self._url = store, concurrency, folder, key, url
        self._unkept: dict[str, str] = {}  # room of the newest jobs that no ledger knows
        folder.mkdir(parents=True, exist_ok=True)

    async def keep(self, room: str, content: bytes, id: str | None = None) -> str:
        """Keep an image and return its ID; raises Refused when it is not one or claims too many pixels."""
        kind, width, height = await self._in_thread(_look_at, content)
        upload = Upload(id or new_id(), room, kind, len(content), width, height, time.time())
        # The file first: a row without its file would be a promise we cannot keep.
        await self._in_thread(_write, self._folder / upload.id, content)
        values = msgspec.structs.asdict(upload)
        change = upsert(uploads).values(**values).on_conflict_do_update(index_elements=[uploads.c.id], set_=values)
        await self._store.change(lambda connection: connection.execute(change) and None)
        return upload.id

    async def find(self, id: str) -> tuple[Upload, bytes]:
        """The upload and its content; raises Refused(not_found)."""
        row = await self._store.read(lambda c: c.execute(select(uploads).where(uploads.c.id == id)).first())
        if row is None:
            raise Refused("not_found", "there is no such upload")
        return Upload(**row._mapping), await self._in_thread((self._folder / id).read_bytes)

    async def room_of_job(self, id: str) -> str:
        """The room of the job whose output this is; raises Refused(not_found)."""
        room = self._unkept.get(id) or await self._store.read(
            lambda c: c.execute(select(jobs.c.room).where(jobs.c.id == id)).scalar()
        )
        if room is None:
            raise Refused("not_found", "there is no such upload")
        return str(room)

    def link(self, id: str) -> str:
        """A signed path to see the upload, good for a day."""
        return self._signed("GET", id, time.time() + LINK_SECONDS)

    def links(self, job: Job) -> dict[str, str]:
        """What a worker needs: a URL to GET the job's upload and one to PUT its output, good until the job's deadline."""
        given: dict[str, Any] = msgspec.json.decode(job.args)
        source = {"get": self._url + self._signed("GET", given["upload"], job.deadline)} if "upload" in given else {}
        return {**source, "put": self._url + self._signed("PUT", job.id, job.deadline)}

    def links_of_unkept(self, job: Job) -> dict[str, str]:
        """As `links`, for LEDGER=off: its room is remembered here, as no ledger will know it when its output comes."""
        self._unkept[job.id] = job.room
        if len(self._unkept) > UNKEPT:
            del self._unkept[next(iter(self._unkept))]
        return self.links(job)

    async def in_room(self, id: str, room: str) -> bool:
        """Whether this upload was sent to this room."""
        return await self._store.read(
            lambda c: bool(c.execute(select(uploads.c.room).where(uploads.c.id == id)).scalar() == room)
        )

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """The function's value, computed in a real thread."""
        loop = self._concurrency.loop
        done: asyncio.Future[T] = loop.create_future()
        self._concurrency.os_thread(hand_back, loop, done, function, *args)
        return await done

    def check(self, method: str, id: str, expires: str, signature: str) -> None:
        """Raise Refused(forbidden) unless we signed this link and it still holds."""
        good = self._signer(method).verify_signature(f"{id}.{expires}".encode(), signature)
        if not good or not expires.isdigit() or int(expires) < time.time():
            raise Refused("forbidden", "this link is not valid any more")

    def _signed(self, method: str, id: str, expires: float) -> str:
        value = f"{id}.{int(expires)}"
        return f"/uploads/{id}?exp={int(expires)}&sig={self._signer(method).get_signature(value).decode()}"

    def _signer(self, method: str) -> Signer:
        return Signer(self._key, salt=f"upload-{method}")


def _look_at(content: bytes) -> tuple[str, int, int]:
    """Type and size of an image, from its header; its pixels are never unpacked here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we refuse with our own bound below
            with Image.open(io.BytesIO(content), formats=list(TYPES)) as image:
                kind, (width, height) = TYPES[image.format or ""], image.size
                if width * height <= MAX_PIXELS:
                    image.verify()
    except Image.DecompressionBombError:
        raise Refused(
            "too_large", f"the image has too many pixels: at most {MAX_PIXELS:,} are allowed", "file"
        ) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, KeyError):
        raise Refused("bad_request", "this is not an image: PNG, JPEG, GIF or WebP is right", "file") from None
    if width * height > MAX_PIXELS:
        raise Refused(
            "too_large", f"the image has {width} x {height} pixels: at most {MAX_PIXELS:,} in all are allowed", "file"
        )
    return kind, width, height


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(f".{new_id()}")
    part.write_bytes(content)
    part.replace(path)  # nobody ever sees half a file
