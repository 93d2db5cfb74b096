"""What the endpoints accept, and how they refuse the rest."""

from typing import Annotated, Any, TypeVar

import msgspec
from flask import request
from msgspec import Meta

Question = TypeVar("Question")

# The longest message of the chat; JSON may write a character in twelve bytes.
MAX_TEXT = 8192
MAX_TEXT_BYTES = 128 * 1024
MAX_MESSAGES = 1000
MAX_MESSAGES_BYTES = 2 * 1024 * 1024
MAX_PICTURE_BYTES = 32 * 1024 * 1024


class Refusal(Exception):
    """The answer to a question that is not taken: a status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class TextQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """`{"text": ...}` for triage, language and sentiment."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class SaidMessage(msgspec.Struct, forbid_unknown_fields=True):
    """One message of a conversation."""

    sender: Annotated[str, Meta(max_length=256)]
    text: Annotated[str, Meta(max_length=MAX_TEXT)]


class Conversation(msgspec.Struct, forbid_unknown_fields=True):
    """`{"messages": [...]}` for the summary, the oldest first."""

    messages: Annotated[list[SaidMessage], Meta(max_length=MAX_MESSAGES)]


# Made here, where only one thread is: msgspec 0.22 crashes where two are the first to use a type.
_DECODERS: dict[Any, Any] = {kind: msgspec.json.Decoder(kind) for kind in (TextQuestion, Conversation)}


def body(limit: int) -> bytes:
    """The bytes of the request; refused before they are read when there are more than the limit."""
    if (request.content_length or 0) > limit:
        raise Refusal(413, "too_large", f"the request may have at most {limit} bytes")
    return request.get_data(cache=False)


def question(kind: type[Question], limit: int) -> Question:
    """The request's JSON as this kind of question; anything else is refused with the reason."""
    try:
        asked: Question = _DECODERS[kind].decode(body(limit))
        return asked
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "bad_request", f"the JSON is not right: {error}") from error
