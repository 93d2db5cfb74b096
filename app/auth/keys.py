"""The keys that tokens are checked with: one secret, or a set of public keys that changes while we run (RFC 7517)."""

from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from app.outgoing import Outgoing, RequestFailed

log = structlog.get_logger()

MIN_RSA_BITS = 2048  # RFC 7518 section 3.3
FETCH_SECONDS = 10.0
AGAIN_SECONDS = 60.0  # between two reads for a key that is not known
MAX_BYTES = 256 * 1024  # of a set of keys
KINDS: dict[str, tuple[type[Any], str | None]] = {
    "RS256": (RSAKey, None),
    "ES256": (ECKey, "P-256"),
    "EdDSA": (OKPKey, "Ed25519"),
}


class UnknownKey(Exception):
    """The token names a key that is not there; the message is for whoever sent it."""


class KeysInvalid(Exception):
    """What should be a set of keys is none; the message says why."""


class Keys(Protocol):
    """What tokens are checked with."""

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Those that are accepted."""

    def find(self, algorithm: str, id: Any) -> Key:
        """The key for this algorithm with this `kid` (None: the token names none); raises UnknownKey."""

    async def load(self) -> None:
        """Read them for the first time; raises KeysInvalid."""

    async def read_again(self) -> None:
        """Look whether there are new ones; never fails, and not more often than AGAIN_SECONDS allows."""


class Secret:
    """One secret that whoever issues tokens has as well (HS256)."""

    algorithms = ("HS256",)

    def __init__(self, secret: str) -> None:
        self.key = OctKey.import_key(secret.encode())

    def find(self, algorithm: str, id: Any) -> Key:
        """The one."""
        return self.key

    async def load(self) -> None:
        """It is there."""

    async def read_again(self) -> None:
        """There is only one."""


class KeySet:
    """Public keys from a file or an https URL; those known go on while it is away."""

    algorithms = tuple(KINDS)

    def __init__(self, place: str, outgoing: Outgoing) -> None:
        self._place, self._outgoing = place, outgoing
        self._keys: list[tuple[str, str | None, Key]] = []  # algorithm, kid, key
        self._next = 0.0  # when it may be read again, on the monotonic clock

    async def load(self) -> None:
        """Read the keys for the first time; raises KeysInvalid for a file that has none. A URL may be away."""
        try:
            self._keys = parse(await self._read())
        except (OSError, RequestFailed, KeysInvalid) as error:
            if not is_url(self._place):
                raise KeysInvalid(f"AUTH_KEYS={self._place} is not allowed: {_why(error)}") from None
            log.error("no keys yet, so that nobody is let in", url=self._place, error=_why(error))

    def find(self, algorithm: str, id: Any) -> Key:
        """The key with this `kid`; where the token names none, the only one for its algorithm."""
        found = [key for kind, kid, key in self._keys if kind == algorithm and id in (None, kid)]
        if len(found) != 1:
            raise UnknownKey(f"it is signed with a key that is not one of ours ({len(self._keys)} are known)")
        return found[0]

    async def read_again(self) -> None:
        """As Keys; whoever asks first reads for all."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + AGAIN_SECONDS
        try:
            self._keys = parse(await self._read())
            log.info("keys read again", place=self._place, keys=len(self._keys))
        except (OSError, RequestFailed, KeysInvalid) as error:
            log.error("the keys cannot be read, those known go on", place=self._place, error=_why(error))

    async def _read(self) -> bytes:
        if not is_url(self._place):
            return self._from_file()
        answer = await self._outgoing.send("GET", self._place, seconds=FETCH_SECONDS, most=MAX_BYTES)
        if answer.status != HTTPStatus.OK:
            raise RequestFailed(f"it answered {answer.status}")
        return answer.body

    def _from_file(self) -> bytes:
        return Path(self._place).read_bytes()


def is_url(place: str) -> bool:
    """Whether the keys are fetched, and not read from a file."""
    return "://" in place


def parse(content: bytes) -> list[tuple[str, str | None, Key]]:
    """The keys of a JSON Web Key Set that can check what we accept; raises KeysInvalid for what is none, or has secrets."""
    try:
        entries = msgspec.json.decode(content, type=dict[str, Any])["keys"]
        kinds = [entry["kty"] for entry in entries]
    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError):
        raise KeysInvalid('it is no JSON Web Key Set, such as {"keys": [{"kty": "RSA", ...}]}') from None
    if "oct" in kinds:
        raise KeysInvalid("it has a symmetric key (kty oct), which is no key to hand out: AUTH_SECRET takes a secret")
    keys = [found for entry in entries if (found := _key(entry)) is not None]
    if not keys:
        raise KeysInvalid(f"it has no key for {', '.join(KINDS)}")
    return keys


def _key(entry: dict[str, Any]) -> tuple[str, str | None, Key] | None:
    """The key of an entry; None for one that is for something else, or too weak."""
    if entry.get("use", "sig") != "sig":
        return None
    for algorithm, (kind, curve) in KINDS.items():
        if entry["kty"] != kind.key_type or entry.get("crv") != curve or entry.get("alg", algorithm) != algorithm:
            continue
        try:
            key = kind.import_key({name: value for name, value in entry.items() if name not in PRIVATE})
            weak = kind is RSAKey and key.raw_value.key_size < MIN_RSA_BITS
        except (JoseError, ValueError, TypeError, LookupError):
            weak = True
        if weak:
            log.warning("a key is left out: it cannot be read, or is shorter than allowed", kid=entry.get("kid"))
            return None
        return algorithm, entry.get("kid"), key
    return None


PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "key_ops")  # what has no business here


def _why(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
