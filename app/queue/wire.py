"""The messages on the queue, read: what cannot be read is told apart before any other work."""

from __future__ import annotations

import msgspec

from app.contract import DeltaMessage, JobMessage, ResultMessage, TextRequest
from app.payload import MAX_TEXT, Refused, check_text

MAX_BATCH_BYTES = 512 * 1024  # of the results in one message

_read_delta = msgspec.json.Decoder(DeltaMessage).decode
_read_text_request = msgspec.json.Decoder(TextRequest).decode
_read_job = msgspec.json.Decoder(JobMessage).decode
_read_result = msgspec.json.Decoder(ResultMessage).decode
_read_results = msgspec.json.Decoder(list[ResultMessage]).decode


class Undecodable(Exception):
    """A message is not what its subject promises; the text says what is wrong with it."""


def read_job(data: bytes) -> JobMessage:
    """The job; raises Undecodable."""
    try:
        message = _read_job(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(str(error)) from None
    if not bytes(message.args).lstrip().startswith(b"{"):
        raise Undecodable("Expected `object` - at `$.args`")
    return message


def read_delta(data: bytes) -> DeltaMessage:
    """How the text of a run goes on; raises Undecodable."""
    try:
        delta = _read_delta(data)
        check_text(delta.text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(str(error)) from None
    except Refused as refused:
        raise Undecodable(f"{refused.message} - at `$.text`") from None
    if delta.offset + len(delta.text) > MAX_TEXT:
        raise Undecodable(f"a text has at most {MAX_TEXT} code points - at `$.text`")
    return delta


def read_text_request(data: bytes) -> TextRequest:
    """Which part of a text is asked for; raises Undecodable."""
    try:
        return _read_text_request(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(str(error)) from None


def read_results(data: bytes) -> list[ResultMessage]:
    """The results in a message, which holds one object or an array of them; raises Undecodable."""
    try:
        results = _read_results(data) if data[:1] == b"[" else [_read_result(data)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(str(error)) from None
    if not results:
        raise Undecodable("an empty array: at least one result is expected")
    for result in results:
        if result.state == "failed" and result.error is None:
            raise Undecodable("Object missing required field `error` of a failed run")
    return results
