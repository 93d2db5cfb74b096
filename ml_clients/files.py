"""Files by signed link: a job carries links, so that an image travels only where it is needed."""

from functools import lru_cache
from typing import TypedDict
from urllib.parse import urlsplit

from ml_clients.transport import Server, call, decode, server_at


class Stored(TypedDict):
    """Where a file was kept."""

    upload: str


def get(link: str) -> bytes:
    """The file behind a link."""
    return call(_server(link), "GET", _path(link), b"", "application/octet-stream")


def put(link: str, content: bytes) -> Stored:
    """Keep a file where the link says; again under the same link replaces it, so a retry is harmless."""
    answer = call(_server(link), "PUT", _path(link), content, "application/octet-stream")
    return decode(answer, Stored, "who keeps files")


def _server(link: str) -> Server:
    parts = urlsplit(link)
    return _server_of(f"{parts.scheme}://{parts.netloc}")


def _path(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


@lru_cache(maxsize=8)
def _server_of(url: str) -> Server:
    """Connections are kept per server: all links of one Spillway lead to the same."""
    return server_at(url)
