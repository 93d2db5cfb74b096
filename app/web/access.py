"""Who asks over HTTP, and whether they may: `Authorization: Bearer TOKEN` under AUTH=token, everybody otherwise."""

from __future__ import annotations

import structlog
from flask import request

from app.auth.grant import Grant, open_to
from app.auth.tokens import Tokens
from app.contract import Person
from app.payload import Refused
from app.web.waiting import Wait

log = structlog.get_logger()

ANYBODY = open_to(Person("", ""))


class Access:
    """Asked by every route that is not for everybody, before it does anything."""

    def __init__(self, tokens: Tokens | None, wait: Wait) -> None:
        """`tokens` is None under AUTH=open."""
        self._tokens, self._wait = tokens, wait

    def grant(self) -> Grant:
        """What whoever asks may do; raises Refused(unauthorized)."""
        if self._tokens is None:
            return ANYBODY
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise Refused("unauthorized", "a token is needed: Authorization: Bearer TOKEN")
            granted: Grant = self._wait(self._tokens.grant(token.strip()))
        except Refused as refused:
            log.info("request refused", path=request.path, code=refused.code, why=refused.message)
            raise Refused(refused.code, refused.message) from None  # there is no field of that name in the request
        return granted

    def of_room(self, room: str) -> Grant:
        """As `grant`; raises Refused(forbidden) where this is none of their rooms."""
        granted = self.grant()
        if not granted.may_enter(room):
            raise Refused("forbidden", f"your token has no room {room}", "room")
        return granted

    def operator(self) -> Grant:
        """As `grant`; raises Refused(forbidden) for everybody without that role."""
        granted = self.grant()
        if granted.role != "operator":
            raise Refused("forbidden", "this is for operators: the token needs the role operator")
        return granted
