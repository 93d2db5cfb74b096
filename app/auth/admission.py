"""Who is let in, by what they bring: a token, or under AUTH=open a name."""

from __future__ import annotations

from typing import Any

import msgspec

from app.auth.grant import Grant, open_to
from app.auth.tokens import Tokens
from app.contract import Auth, Person
from app.payload import Refused, check_name, read, ready


@ready
class Bearer(msgspec.Struct, forbid_unknown_fields=True):
    """What a client brings under AUTH=token: who it is stands in the token."""

    token: Any  # looked at by Tokens


class Admission:
    """Says what somebody who connects may do."""

    def __init__(self, tokens: Tokens | None) -> None:
        """`tokens` is None under AUTH=open."""
        self._tokens = tokens

    def grant(self, auth: Any) -> Grant:
        """What the data of a connect grant; raises Refused."""
        if self._tokens is None:
            who = read(auth, Auth)
            check_name(who.name, "name")
            check_name(who.id or "", "id")
            return open_to(Person(who.id or who.name, who.name))
        if not isinstance(auth, dict) or "token" not in auth:
            raise Refused("unauthorized", "a token is needed: connect with auth: {token}", "token")
        read({**auth, "token": None}, Bearer)  # nothing beside it; a token that is no text is told so below
        return self._tokens.read(auth["token"])

    async def learn(self, auth: Any) -> None:
        """Look for the key of this token where it is not known yet, so that `grant` knows it; never fails."""
        if self._tokens is not None and isinstance(auth, dict):
            await self._tokens.learn(auth.get("token"))
