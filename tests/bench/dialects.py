"""How the generator talks to each server: the same load in Spillway's contract and in a plain Socket.IO echo."""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import dataclass, replace

from joserfc import jwt
from joserfc.jwk import OctKey

from tests.bench.frames import Template


@dataclass(frozen=True)
class Dialect:
    """The packets of one server; ROOM, NAME and TEXT are replaced, `#` is where the number of a message goes."""

    connect: str
    join: str
    message: str
    delivery: bytes  # how the event that shows a message begins
    number: re.Pattern[bytes]  # finds the number of a message in that event

    def joining(self, room: str) -> str:
        """The packet that joins a room; its ack has number 0."""
        return self.join.replace("ROOM", room)

    def connecting(self, name: str) -> str:
        """The packet that connects to the namespace."""
        return self.connect.replace("NAME", name)

    def template(self, room: str, text: str) -> Template:
        """A message to this room; its keys differ from those of every other run."""
        return _fill(self.message, room, text)


SPILLWAY = Dialect(
    connect='40{"name":"NAME"}',
    join='420["room:join",{"room":"ROOM"}]',
    message='42#["message:send",{"room":"ROOM","text":TEXT,"key":"k#-RUN"}]',
    delivery=b'42["message:new"',
    number=re.compile(rb'"key":"k(\d{7})-'),
)
PLAIN = Dialect(
    connect="40",
    join='420["join",{"room":"ROOM"}]',
    message='42#["message",{"room":"ROOM","text":TEXT,"id":#}]',
    delivery=b'42["message"',
    number=re.compile(rb'"id":(\d{7})\b'),
)
SECRET = "a secret that only this bench signs with"


def with_token() -> Dialect:
    """Spillway's under AUTH=token: each client brings a token, the same for all, as checking one takes no notice of others."""
    claims = {"sub": "crowd", "rooms": ["*"], "exp": int(time.time()) + 3600}
    token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
    return replace(SPILLWAY, connect=f'40{{"token":"{token}"}}')


UPDATE = b'42["job:update"'


def job_template(room: str, task: str) -> Template:
    """Asking Spillway for a job."""
    return _fill('42#["job:create",{"room":"ROOM","task":"%s","args":TEXT,"key":"k#-RUN"}]' % task, room, {})  # noqa: UP031 - braces are JSON's


def typing_template(room: str) -> Template:
    """Spillway's lightest event: acknowledged, stored nowhere, and shown to nobody when the room has one member."""
    return _fill('42#["typing",{"room":"ROOM","on":true}]', room, "")


def _fill(packet: str, room: str, content: object) -> Template:
    body = json.dumps(content, ensure_ascii=False)
    return Template(packet.replace("ROOM", room).replace("RUN", secrets.token_hex(4)).replace("TEXT", body))
