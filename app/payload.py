"""Reading what clients, workers and operators send: it fits its type, or it is refused with the field named."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")
K = TypeVar("K")

MAX_TEXT = 8192  # code points of a message
MAX_DEPTH = 32  # nesting no honest argument reaches

Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Key = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
RoomName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{1,64}\Z")]
PersonName = Annotated[str, Meta(min_length=1, max_length=64)]
Upload = Annotated[str, Meta(pattern=r"\A[a-z0-9]{26}\Z")]
Identifier = Annotated[str, Meta(min_length=1, max_length=64)]

# In JSON, control characters and lone surrogates can only be written as one of these escapes.
_ESCAPES = re.compile(rb"\\[ubfr]")
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")
_TURNING = re.compile("[\t\n\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PATH = re.compile(r"at `\$\.?([^`]*)`")
_NAME = re.compile(r"(?:unknown|required) field `([^`]+)`")


class Refused(Exception):
    """A request is refused; `code` is one of the contract's, `field` names what was wrong where it is known."""

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        retry_after: float | None = None,
        job: str | None = None,
    ) -> None:
        """`job` is the ID of the one that is in the way."""
        super().__init__(message)
        self.code, self.message, self.field, self.retry_after, self.job = code, message, field, retry_after, job

    def as_error(self) -> dict[str, Any]:
        """The error of an ack or an HTTP answer: `{code, message, field?, retry_after?, job?}`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        if self.retry_after is not None:
            error["retry_after"] = self.retry_after
        if self.job is not None:
            error["job"] = self.job
        return error


def ready(kind: K) -> K:
    """The same type, made ready for `read` in any thread; raises TypeError when nothing can be read as it.

    msgspec 0.22 notes what it learns about a class on the class itself, and before it has learned it all: two threads
    that are the first to use one bring the whole process down.
    """
    msgspec.json.Decoder(kind)
    return kind


class Reader(Generic[T]):
    """Reads one type from JSON in one pass; what looks suspicious, or does not fit, takes the slow way to a good error."""

    def __init__(self, kind: type[T], free_form: bool = True) -> None:
        """`free_form`: whether some of it may be any JSON, and so nested deeper than is good."""
        self._kind, self._free_form = kind, free_form
        self._decode = msgspec.json.Decoder(kind).decode

    def read(self, data: bytes) -> T:
        """The data as the type; raises Refused(bad_request) that names the field and what is expected."""
        shallow = not self._free_form or data.count(b"{") + data.count(b"[") <= MAX_DEPTH
        if shallow and not _ESCAPES.search(data):
            try:
                return self._decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                pass  # read again below, where the error names its field
        try:
            value = json.loads(data)  # understands more than JSON allows (NaN): refused with its field below
        except (ValueError, RecursionError):
            raise Refused("bad_request", "this is not JSON") from None
        return read(value, self._kind)


def convert(data: Any, kind: type[T], strict: bool = True) -> T:
    """As `read`, for data whose values were looked at already."""
    try:
        return msgspec.convert(data, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None


def read(data: Any, kind: type[T], strict: bool = True) -> T:
    """The data as `kind`, made ready before; raises Refused(bad_request) that names the field and what would be right.

    Without `strict` a number may come as text, as in the query of an address.
    """
    _check_values(data)
    return convert(data, kind, strict)


def check_name(name: str, field: str) -> None:
    """Raise Refused(bad_request) for a name that would break the line it is shown in, or turn its text around."""
    found = _TURNING.search(name)
    if found:
        why = f"has no tabs, line breaks or characters that turn text around, and here is U+{ord(found[0]):04X}"
        raise Refused("bad_request", f"a name {why}", field)


def check_text(text: str) -> None:
    """Raise Refused(bad_request) for a text with control characters or lone surrogates."""
    _check_scalar(text, None)


def room_name(given: str | None) -> str:
    """The name of a room; raises Refused(bad_request) with `field` room."""
    try:
        return read(given, RoomName)
    except Refused as error:
        raise Refused("bad_request", error.message, "room") from None


def _refusal(sentence: str) -> Refused:
    """Turn msgspec's sentence into ours; it writes the path as `$.field`, the names in backticks."""
    found = (pattern.search(sentence) for pattern in (_PATH, _NAME))
    field = ".".join(each[1] for each in found if each and each[1]) or None
    return Refused("bad_request", sentence.replace(" - at `$`", "").replace("`$.", "`"), field)


def _check_values(data: Any) -> None:
    """Refuse what JSON's types cannot tell: control characters, lone surrogates, NaN, depth, binary.

    A list of things still to look at instead of recursion: depth must not be able to exhaust the stack.
    """
    left: list[tuple[Any, str, int]] = [(data, "", 0)]
    while left:
        value, field, depth = left.pop()
        if depth > MAX_DEPTH:
            raise Refused("bad_request", f"nested deeper than {MAX_DEPTH} levels", field.split(".")[0] or None)
        if isinstance(value, dict):
            left += [(key, "", depth) for key in value]
            left += [(each, f"{field}.{key}" if field else str(key), depth + 1) for key, each in value.items()]
        elif isinstance(value, list | tuple):
            left += [(each, field, depth + 1) for each in value]
        else:
            _check_scalar(value, field or None)


def _check_scalar(value: Any, field: str | None) -> None:
    if isinstance(value, str):
        found = _UNWANTED.search(value)
        if found:
            raise Refused("bad_request", f"character U+{ord(found[0]):04X} is not allowed in text", _printable(field))
    elif isinstance(value, float) and not math.isfinite(value):
        raise Refused("bad_request", f"{value} is not a number that JSON knows", field)
    elif isinstance(value, bytes | bytearray):
        raise Refused("bad_request", "binary data where JSON is due", field)


def _printable(field: str | None) -> str | None:
    return None if field is None else field.encode("utf-8", "replace").decode()
