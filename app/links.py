"""What we sign: links to images, and tokens to send some."""

from __future__ import annotations

import base64
import time
from typing import Any

import msgspec
from itsdangerous import BadSignature, Signer

from app.jobs.job import Job
from app.payload import Refused

SECONDS = 24 * 3600  # for which links that people see, and tokens, are good


class Links:
    """Signs with one key, and knows what it signed."""

    def __init__(self, key: str, url: str) -> None:
        """`url` is how workers reach this process."""
        self._key, self._url = key, url
        self._tokens = Signer(key, salt="upload-token")

    def to(self, upload: str) -> str:
        """A path to see the upload, good for a day."""
        return self._signed("GET", upload, time.time() + SECONDS)

    def of(self, job: Job) -> dict[str, str]:
        """What a worker needs: a URL to GET the job's upload and one to PUT its output, good until the job's deadline."""
        given: dict[str, Any] = msgspec.json.decode(job.args)
        source = {"get": self._url + self._signed("GET", given["upload"], job.deadline)} if "upload" in given else {}
        return {**source, "put": self._url + self._signed("PUT", job.id, job.deadline)}

    def check(self, method: str, id: str, expires: str, signature: str) -> None:
        """Raise Refused(forbidden) unless we signed this link and it still holds."""
        good = self._signer(method).verify_signature(f"{id}.{expires}".encode(), signature)
        if not good or not expires.isdigit() or int(expires) < time.time():
            raise Refused("forbidden", "this link is not valid any more")

    def token(self, room: str, person: str) -> str:
        """What lets this person send images to this room for a day."""
        said = msgspec.json.encode([room, person, int(time.time()) + SECONDS])
        return self._tokens.sign(base64.urlsafe_b64encode(said)).decode()

    def person(self, room: str, token: str) -> str:
        """Whose token for this room it is; raises Refused(not_in_room)."""
        try:
            said = base64.urlsafe_b64decode(self._tokens.unsign(token))
            known, person, expires = msgspec.json.decode(said, type=tuple[str, str, int])
        except (BadSignature, UnicodeEncodeError):
            known, person, expires = "", "", 0
        if known != room or expires < time.time():
            raise Refused("not_in_room", f"join room {room} first: the answer has the upload_token due here", "token")
        return person

    def _signed(self, method: str, id: str, expires: float) -> str:
        value = f"{id}.{int(expires)}"
        return f"/uploads/{id}?exp={int(expires)}&sig={self._signer(method).get_signature(value).decode()}"

    def _signer(self, method: str) -> Signer:
        return Signer(self._key, salt=f"upload-{method}")
