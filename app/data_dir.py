"""DATA_DIR: readable by its owner only, used by one `make run` at a time, and the small files in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from app.settings import MIN_KEY_BYTES, SettingInvalid, Settings

OTHERS = stat.S_IRWXG | stat.S_IRWXO


class DataDirInUse(Exception):
    """DATA_DIR is used by another process; the message says which."""


def make_private(folder: Path) -> None:
    """Make the folder if it is absent; from now on only its owner can read it and what this process puts into it.

    Files of ours that an earlier release made readable for everybody are closed, too. Raises SettingInvalid.
    """
    os.umask(OTHERS)  # of everything this process and its children make: the database, images, streams
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = [*folder.glob("spillway.db*"), *folder.glob("uploads"), *folder.glob("nats")]
        for path in [*ours, *([] if _is_shared(folder) else [folder])]:
            _close(path)
    except OSError as error:
        raise SettingInvalid(f"DATA_DIR={folder} cannot be used: {error.strerror}") from None


def _is_shared(folder: Path) -> bool:
    """Whether it is a place for many, such as /tmp, or another user's: then its mode is not ours to change."""
    about = folder.stat()
    return bool(about.st_mode & stat.S_ISVTX) or about.st_uid != os.geteuid()


def _close(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        path.chmod(mode & ~OTHERS)


@contextlib.contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Keep DATA_DIR for this supervisor alone; raises DataDirInUse before anything in it was touched.

    The kernel gives the lock back when the process ends, however it ends.
    """
    path = settings.data_dir / "run.lock"
    database = Path(f"{settings.database_file}.lock")
    with path.open("a+") as lock:
        if not _lock(lock.fileno()):
            lock.seek(0)
            raise DataDirInUse(
                f"DATA_DIR={settings.data_dir} is used by another make run (process {lock.read().strip() or 'unknown'}):"
                " stop it, or set another DATA_DIR"
            )
        if not settings.is_shared and database.exists() and _is_locked(database):
            raise DataDirInUse(
                f"a web process that was started by itself uses the database in {database.parent}:"
                " stop it, or set another DATA_DIR"
            )
        lock.truncate(0)
        with contextlib.suppress(OSError):  # on a full disk: the lock holds without the number, too
            os.write(lock.fileno(), f"{os.getpid()}\n".encode())
        yield


def _is_locked(path: Path) -> bool:
    with path.open("a") as file:
        return not _lock(file.fileno())


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def say_ready(path: Path | None) -> None:
    """Write this process's ID into the file, for whoever waits until it is ready."""
    if path is not None:
        # On a full disk it stays empty: whoever waits goes on waiting, and the process must not end for it.
        with contextlib.suppress(OSError):
            path.write_text(f"{os.getpid()}\n")


def has_said_ready(path: Path, process: int) -> bool:
    """Whether this very process, and not an earlier one, has written that it is ready."""
    try:
        return path.read_text() == f"{process}\n"
    except OSError:
        return False


def keep_broker_urls(settings: Settings, urls: Mapping[str, str]) -> None:
    """Note where `make run`'s own broker is, passwords included: for commands, further workers and other programs here."""
    for user, url in urls.items():
        _write_whole(settings.data_dir / "nats" / ("url" if user == "operator" else f"{user}-url"), url)


def broker_url(settings: Settings) -> str:
    """Where `make run`'s own broker was last started, or an empty string."""
    try:
        return (settings.data_dir / "nats" / "url").read_text().strip()
    except OSError:
        return ""


def secret_key(settings: Settings) -> str:
    """The key that signs links: as set, or a random one kept in DATA_DIR; raises SettingInvalid for one that is too short."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.data_dir / "secret_key"
    try:
        if not path.exists():
            _write_whole(path, secrets.token_hex(32))
        key = path.read_text().strip()
    except OSError as error:
        raise SettingInvalid(f"{path} cannot be read or written: {error.strerror}") from None
    if len(key.encode()) < MIN_KEY_BYTES:
        raise SettingInvalid(
            f"{path} has {len(key.encode())} bytes: expected at least {MIN_KEY_BYTES}."
            " Remove it to have a new one made; links handed out so far then stop working"
        )
    return key


def _write_whole(path: Path, text: str) -> None:
    """Write the file for its owner only, whole or not at all: a full disk or a kill leaves no half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    finally:
        new.unlink(missing_ok=True)
