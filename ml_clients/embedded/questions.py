"""What the endpoints accept, and how they refuse the rest."""

import datetime as dt
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
MAX_SOUND_BYTES = 32 * 1024 * 1024


class Refusal(Exception):
    """The answer to a question that is not taken: a status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class TextQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """`{"text": ...}`: one message."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class DatedQuestion(TextQuestion):
    """`{"text", "at", "zone"}`: a message, when it was written (RFC 3339) and in which time zone (IANA name)."""

    at: dt.datetime
    zone: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_+/-]{1,64}\Z")]


class SaidMessage(msgspec.Struct, forbid_unknown_fields=True):
    """One message of a conversation."""

    sender: Annotated[str, Meta(max_length=256)]
    text: Annotated[str, Meta(max_length=MAX_TEXT)]


class Conversation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`{"messages": [...]}` for the summary, the oldest first."""

    messages: Annotated[list[SaidMessage], Meta(max_length=MAX_MESSAGES)]


class AmongMessages(Conversation):
    """`{"text", "messages"}`: a message, and earlier ones, the oldest first."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


# Made here, where only one thread is: msgspec 0.22 crashes where two are the first to use a type.
KINDS = (TextQuestion, DatedQuestion, Conversation, AmongMessages)
_DECODERS: dict[Any, Any] = {kind: msgspec.json.Decoder(kind) for kind in KINDS}


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
