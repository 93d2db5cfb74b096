"""A language model without a model: words at a set pace, from an OpenAI-compatible endpoint that streams."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

Milliseconds = Annotated[float, Meta(ge=0, le=600_000)]


class Talk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many tokens an answer has, how many come in a second, and how long the first takes."""

    tokens: Annotated[int, Meta(ge=0, le=1_000_000)] = 60
    per_second: Annotated[float, Meta(gt=0, le=100_000)] = 20.0
    first_ms: Milliseconds = 0.0


class Talker:
    """Answers POST /v1/chat/completions; `GET /v1/chat/open` says how many answers are under way."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._open = 0

    def add_to(self, app: web.Application) -> None:
        """Serve it there."""
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_get("/v1/chat/open", self._count)

    async def _count(self, _: web.Request) -> web.Response:
        return web.json_response({"open": self._open})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._open += 1
        try:
            await response.prepare(request)
            await self._speak(response)
            return response
        finally:
            self._open -= 1

    async def _speak(self, response: web.StreamResponse) -> None:
        talk, began = self._talk, time.monotonic() + self._talk.first_ms / 1000
        for number in range(talk.tokens):
            # By the clock and not by pauses: what one word is late by, the next must not be.
            await asyncio.sleep(max(0.0, began + number / talk.per_second - time.monotonic()))
            await response.write(_event([_choice({"content": f"word{number} "}, None)]))
        await response.write(_event([_choice({}, "stop")]))
        usage = {"prompt_tokens": 10, "completion_tokens": talk.tokens, "total_tokens": 10 + talk.tokens}
        await response.write(_event([], usage) + b"data: [DONE]\n\n")


def _choice(delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _event(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    chunk: dict[str, Any] = {"object": "chat.completion.chunk", "model": "synthetic", "choices": choices}
    return b"data: %b\n\n" % json.dumps(chunk | ({"usage": usage} if usage else {})).encode()
