"""Images in and out over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from app.payload import Refused, room_name
from app.uploads import Uploads
from app.web.access import Access
from app.web.bodies import FORM_BYTES, too_large
from app.web.waiting import Wait


def uploads(kept: Uploads, access: Access, wait: Wait) -> Blueprint:
    """POST /api/uploads, and GET and PUT /uploads/ID by signed link: whoever has one was given it in the room."""
    blueprint = Blueprint("uploads", __name__)

    @blueprint.post("/api/uploads")
    def send() -> ResponseReturnValue:
        access.grant()
        _check_size(kept.max_bytes)
        file = request.files.get("file")
        if file is None:
            raise Refused("bad_request", "the form needs a field file with the image", "file")
        room = room_name(request.form.get("room"))
        content = _bounded(file.read(kept.max_bytes + 1), kept.max_bytes)
        granted = access.of_room(room)
        person = granted.person.id
        if granted.is_open or "token" in request.form:
            person = kept.links.person(room, request.form.get("token", ""))
        return jsonify(upload=wait(kept.take(room, person, request.remote_addr or "", content))), 201

    @blueprint.get("/uploads/<id>")
    def show(id: str) -> Response:
        kept.links.check("GET", id, request.args.get("exp", ""), request.args.get("sig", ""))
        upload, content = wait(kept.find(id))
        response = Response(content, content_type=upload.type)
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Content-Disposition"] = "inline"
        response.headers["Cache-Control"] = "private, max-age=3600, immutable"
        return response

    @blueprint.put("/uploads/<id>")
    def take(id: str) -> ResponseReturnValue:
        kept.links.check("PUT", id, request.args.get("exp", ""), request.args.get("sig", ""))
        _check_size(kept.max_bytes)
        content = _bounded(request.get_data(cache=False), kept.max_bytes)
        return jsonify(upload=wait(kept.keep(wait(kept.room_of_job(id)), content, id=id))), 201

    return blueprint


def _check_size(most: int) -> None:
    """Refuse before reading; some bytes more for the form around the file."""
    if request.content_length is None or request.content_length > most + FORM_BYTES:
        raise too_large("an image", most, "file")


def _bounded(content: bytes, most: int) -> bytes:
    if len(content) > most:
        raise too_large("an image", most, "file")
    return content
