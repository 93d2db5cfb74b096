"""A language model behind any OpenAI-compatible server: the text of its answer, piece by piece as it comes."""

import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import msgspec

from ml_clients.connection import Flow, NotHttp
from ml_clients.deadline import call_ends_at
from ml_clients.errors import ModelAnswerInvalid, ModelError, ModelRefused, ModelTimeout, ModelUnavailable
from ml_clients.events import MAX_LINE_BYTES, Events, LineTooLong
from ml_clients.transport import UNAVAILABLE, Server, refusal, server_at

PATH = "/chat/completions"
FIRST_SECONDS = 60.0  # for the first sign of the model: it may be loading, or reading a long question
BETWEEN_SECONDS = 15.0  # between two signs of it; comments that keep a connection alive are none
AFTER_SECONDS = 2.0  # for what follows the end of the text, such as the usage
BYTES_PER_TOKEN = 3  # an estimate on the safe side: English has about four, other languages fewer
MESSAGE_TOKENS = 8  # that a message takes besides its text


class Message(TypedDict):
    """What the model is told; `role` is system, user or assistant."""

    role: str
    content: str


class Usage(TypedDict):
    """How many tokens a call took, as far as the server says."""

    prompt_tokens: NotRequired[int]
    completion_tokens: NotRequired[int]
    total_tokens: NotRequired[int]


@dataclass(frozen=True)
class Configuration:
    """Where the model is; `context` is how many tokens it takes, question and answer together."""

    server: Server
    model: str
    key: str
    context: int


def configure(url: str, model: str, key: str = "", context: int = 2048) -> None:
    """From now on calls go to the server at this URL, which includes /v1; an empty one: there is no model.

    Raises ValueError when it is no http or https URL.
    """
    global _configured  # one process talks to one language model
    _configured = Configuration(server_at(url), model, key, context) if url else None


def context_tokens() -> int:
    """How many tokens the model takes, question and answer together."""
    return _the_model().context


def tokens(text: str) -> int:
    """About how many tokens this takes as a message."""
    return len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + MESSAGE_TOKENS


def answer(messages: Sequence[Message], max_tokens: int) -> Generator[str, None, Usage]:
    """The model's answer in pieces as they come; returns what it took. Raises a ModelError, before or in the middle."""
    model = _the_model()
    question = {
        **({"model": model.model} if model.model else {}),
        "messages": list(messages),
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    headers = f"Authorization: Bearer {model.key}\r\n" if model.key else ""
    target, body = model.server.prefix + PATH, json.dumps(question).encode()
    try:
        with model.server.pool.stream(target, body, call_ends_at(), headers) as flow:
            return (yield from _Reading(flow).pieces())
    except TimeoutError as error:
        raise ModelTimeout("the language model did not go on in time") from error
    except (NotHttp, LineTooLong) as error:
        raise ModelAnswerInvalid(f"the language model: {error}") from error
    except OSError as error:
        raise ModelUnavailable(f"the language model cannot be reached: {error}") from error


class _Reading:
    """One answer as it is read."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._ends_at = call_ends_at()
        self._sign_until = time.monotonic() + FIRST_SECONDS
        self._has_text = self._is_over = self._is_done = False  # over: its text is whole; done: nothing follows
        self.usage: Usage = {}

    def pieces(self) -> Generator[str, None, Usage]:
        """Its pieces; returns the usage."""
        self._flow.begin(self._until())
        if self._flow.answer.status != 200:
            raise self._refusal()
        for event in self._events():
            piece = self._piece(event)
            if piece:
                self._has_text = True
                yield piece
        if not self._is_over:
            raise ModelUnavailable("the language model stopped in the middle of its answer")
        if not self._has_text:
            raise ModelAnswerInvalid("the language model answered nothing")
        return self.usage

    def _until(self) -> float:
        return min(self._ends_at, self._sign_until)

    def _refusal(self) -> ModelError:
        said = b""
        while len(said) < 1000 and (some := self._flow.read(self._until())):
            said += some
        return refusal("the language model", self._flow.answer.status, said, self._flow.answer.retry_after)

    def _events(self) -> Iterator[dict[str, Any]]:
        """What the server says, one object after the other; one that does not stream says all at once."""
        events, whole, is_first = Events(), b"", True
        while some := self._next():
            if whole or (is_first and some.startswith(b"{")):
                whole += some
                if len(whole) > MAX_LINE_BYTES:
                    raise LineTooLong(f"an answer at once has more than {MAX_LINE_BYTES} bytes")
                continue
            is_first = False
            for data in events.feed(some):
                yield from self._read(data)
            if self._is_done or (self._is_over and self.usage):
                return
        for data in [whole] if whole else events.rest():
            yield from self._read(data)

    def _next(self) -> bytes:
        try:
            return self._flow.read(self._until())
        except TimeoutError:
            if self._is_over:  # and its server keeps the connection
                return b""
            raise

    def _read(self, data: bytes) -> Iterator[dict[str, Any]]:
        if data.strip() == b"[DONE]":
            self._is_over = self._is_done = True
            return
        try:
            event = _decode(data)
        except msgspec.DecodeError:  # such as half a surrogate pair, which json takes
            event = _loads(data)
        if not isinstance(event, dict):
            raise ModelAnswerInvalid(f"the language model sent what is no object: {data[:100]!r}")
        yield event

    def _piece(self, event: dict[str, Any]) -> str:
        """The text that an event adds. Chunks without choices are none, and thoughts that come apart are not the answer's."""
        if event.get("error"):
            raise _error(event["error"])
        usage = event.get("usage")
        if isinstance(usage, dict):
            self.usage = {name: usage[name] for name in Usage.__annotations__ if isinstance(usage.get(name), int)}  # type: ignore[assignment]  # of these names
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return ""
        if choice.get("finish_reason"):
            self._is_over = True
            self._sign_until = time.monotonic() + AFTER_SECONDS
            return self._content(choice)
        if isinstance(choice.get("delta"), dict) and choice["delta"]:
            self._sign_until = time.monotonic() + BETWEEN_SECONDS
        return self._content(choice)

    @staticmethod
    def _content(choice: dict[str, Any]) -> str:
        said = choice.get("delta") or choice.get("message")
        if not isinstance(said, dict):
            return ""
        content = said.get("content")
        return content if isinstance(content, str) else ""


def _loads(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ModelAnswerInvalid(f"the language model sent what is no JSON: {data[:100]!r}") from None


def _error(error: Any) -> ModelError:
    """What a server says in the middle of its answer; without a code of its own it may be different the next time."""
    message, code = (error.get("message"), error.get("code")) if isinstance(error, dict) else (error, None)
    said = f"the language model failed: {str(message)[:200]}"
    final = isinstance(code, int) and 400 <= code < 500 and code not in UNAVAILABLE
    return ModelRefused(said) if final else ModelUnavailable(said)


def _the_model() -> Configuration:
    if _configured is None:
        raise ModelRefused("there is no language model here: set LLM_URL")
    return _configured


_configured: Configuration | None = None
_decode = msgspec.json.Decoder().decode
