"""Images and sounds in and out over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from msgspec import Meta

from app.answers.http import Uploaded
from app.documents.route import route
from app.payload import Refused, RoomName, ready, room_name
from app.sounds import SOUNDS
from app.uploads import Upload, Uploads
from app.web.access import Access
from app.web.asked import query
from app.web.bodies import FORM_BYTES, too_large
from app.web.waiting import Wait

KEPT = f"image/png, image/jpeg, image/gif, image/webp, {SOUNDS}"
File = Annotated[str, Meta(extra_json_schema={"format": "binary"})]


@ready
class Signature(msgspec.Struct, forbid_unknown_fields=True):
    """What a signed link adds to its address."""

    exp: str = ""
    sig: str = ""


@ready
class Shown(Signature):
    """And what is added to have an image as a conversation shows it."""

    size: Literal["small"] | None = None


@ready
class Form(msgspec.Struct):
    """What comes with a file: the room, and the `upload_token` of the join, which a token of a person replaces."""

    room: RoomName
    file: File
    token: str | None = None


def uploads(kept: Uploads, access: Access, wait: Wait) -> Blueprint:
    """POST /api/uploads, and GET and PUT /uploads/ID by signed link: whoever has one was given it in the room."""
    blueprint = Blueprint("uploads", __name__)

    @blueprint.post("/api/uploads")
    @route(
        "Send an image or a sound to a room",
        Uploaded,
        status=201,
        needs="room",
        form=Form,
        errors=("not_in_room", "busy"),
    )
    def send() -> ResponseReturnValue:
        access.grant()
        _check_size(kept.max_bytes)
        file = request.files.get("file")
        if file is None:
            raise Refused("bad_request", "the form needs a field file with the image or sound", "file")
        room = room_name(request.form.get("room"))
        content = _bounded(file.read(kept.max_bytes + 1), kept.max_bytes)
        granted = access.of_room(room)
        person = granted.person.id
        if granted.is_open or "token" in request.form:
            person = kept.links.person(room, request.form.get("token", ""))
        return jsonify(upload=wait(kept.take(room, person, request.remote_addr or "", content))), 201

    @blueprint.get("/uploads/<id>")
    @route("An image or a sound", KEPT, needs="link", query=Shown, errors=("not_found",))
    def show(id: str) -> Response:
        _check_link(kept, "GET", id)
        return _shown(*wait(kept.find(id, small=query(Shown).size == "small")))

    @blueprint.put("/uploads/<id>")
    @route(
        "Take the output of a job", Uploaded, status=201, needs="link", query=Signature, body=KEPT,
        errors=("not_found", "busy"),
    )  # fmt: skip
    def take(id: str) -> ResponseReturnValue:
        _check_link(kept, "PUT", id)
        _check_size(kept.max_bytes)
        content = _bounded(request.get_data(cache=False), kept.max_bytes)
        return jsonify(upload=wait(kept.keep(wait(kept.room_of_job(id)), content, id=id))), 201

    return blueprint


def _shown(upload: Upload, content: bytes) -> Response:
    response = Response(content, content_type=upload.type)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Content-Disposition"] = "inline"
    response.headers["Cache-Control"] = "private, max-age=3600, immutable"
    # A player asks for parts, to begin anywhere.
    response.make_conditional(request, accept_ranges=True, complete_length=len(content))
    return response


def _check_link(kept: Uploads, method: str, id: str) -> None:
    signature = query(Shown if method == "GET" else Signature)
    kept.links.check(method, id, signature.exp, signature.sig)


def _check_size(most: int) -> None:
    """Refuse before reading; some bytes more for the form around the file."""
    if request.content_length is None or request.content_length > most + FORM_BYTES:
        raise too_large("an upload", most, "file")


def _bounded(content: bytes, most: int) -> bytes:
    if len(content) > most:
        raise too_large("an upload", most, "file")
    return content
