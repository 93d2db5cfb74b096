"""The HTTP face of the models: one endpoint each, plain JSON; docs/models.md lists them."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from zoneinfo import ZoneInfo

import msgspec
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from ml_clients.embedded import questions
from ml_clients.embedded.answers import likely_same
from ml_clients.embedded.barcode import codes
from ml_clients.embedded.doses import doses
from ml_clients.embedded.models import NO_EXTRAS, SAME, Extras, Models
from ml_clients.embedded.monochrome import monochrome
from ml_clients.embedded.one_at_a_time import BusyError, OneAtATime
from ml_clients.embedded.personal import redact
from ml_clients.embedded.pictures import NoPictureError, PictureTooLargeError
from ml_clients.embedded.questions import AmongMessages, Conversation, DatedQuestion, Refusal, TextQuestion, question
from ml_clients.embedded.speech import NoSoundError, SoundTooLongError
from ml_clients.embedded.summary import summarize
from ml_clients.embedded.thumbnail import thumbnail
from ml_clients.embedded.times import times

# Of each kind of heavy work one runs, and so many wait, each holding a thread: __main__.py has more threads than all hold.
WAITING = 4
RETRY_AFTER = 2
MOST_SIMILAR = 5

log = logging.getLogger(__name__)


def create_app(models: Models, extras: Extras = NO_EXTRAS) -> Flask:
    """The application over these models."""
    app = Flask(__name__, static_folder=None)
    _add_small(app, models)
    _add_of_messages(app, models)
    _add_heavy(app, models)
    _add_extras(app, extras)
    _add_errors(app)
    return app


def _add_small(app: Flask, models: Models) -> None:
    @app.get("/livez")
    def livez() -> Response:
        return _json({"ok": True})

    @app.post("/v1/triage")
    def triage() -> Response:
        return _json(models.triage.classify(_text()))

    @app.post("/v1/language")
    def language() -> Response:
        return _json(models.languages.detect(_text()))

    @app.post("/v1/sentiment")
    def sentiment() -> Response:
        return _json(models.sentiments.score(_text()))


def _add_of_messages(app: Flask, models: Models) -> None:
    """What is found in a message."""

    @app.post("/v1/redact")
    def personal_data() -> Response:
        found, text = redact(_text())
        return _json({"found": found, "text": text})

    @app.post("/v1/doses")
    def amounts() -> Response:
        text = _text()
        return _json({"doses": [{**asdict(each), "text": text[each.start : each.end]} for each in doses(text)]})

    @app.post("/v1/appointment")
    def moments() -> Response:
        asked = question(DatedQuestion, questions.MAX_TEXT_BYTES)
        if asked.at.tzinfo is None:
            raise Refusal(400, "bad_request", "`at` has no offset: expected a time such as 2026-03-02T09:30:00+01:00")
        try:
            ZoneInfo(asked.zone)
        except (KeyError, ValueError, OSError):  # of what only looks like one
            raise Refusal(400, "bad_request", f"there is no time zone {asked.zone!r}") from None
        found = times(asked.text, asked.at, asked.zone)
        said = [{**asdict(each), "text": asked.text[each.start : each.end]} for each in found]
        return _json({"times": said})

    @app.post("/v1/suggest")
    def suggestions() -> Response:
        return _json({"suggestions": [asdict(each) for each in models.answers.suggest(_text())]})


def _add_heavy(app: Flask, models: Models) -> None:
    # Turns of their own: a picture does not wait for a long room.
    room_turn, picture_turn = OneAtATime(WAITING), OneAtATime(WAITING)

    @app.post("/v1/summary")
    def summary() -> Response:
        asked = question(Conversation, questions.MAX_MESSAGES_BYTES)
        with room_turn():
            messages = [(message.sender, message.text) for message in asked.messages]
            return _json({"lines": summarize(models.encoder, messages)})

    @app.post("/v1/similar")
    def similar() -> Response:
        asked = question(AmongMessages, questions.MAX_MESSAGES_BYTES)
        with room_turn():
            found = likely_same(models.encoder, asked.text, [each.text for each in asked.messages], SAME)
        said = [(asked.messages[at], score) for at, score in found[:MOST_SIMILAR]]
        return _json({"similar": [{"sender": one.sender, "text": one.text, "score": score} for one, score in said]})

    def of_picture(make: Callable[[bytes], bytes], kind: str) -> Response:
        content = questions.body(questions.MAX_PICTURE_BYTES)
        with picture_turn():
            return Response(make(content), mimetype=kind)

    app.post("/v1/monochrome", endpoint="monochrome")(lambda: of_picture(monochrome, "image/png"))
    app.post("/v1/thumbnail", endpoint="thumbnail")(lambda: of_picture(thumbnail, "image/jpeg"))

    @app.post("/v1/barcode")
    def barcodes() -> Response:
        content = questions.body(questions.MAX_PICTURE_BYTES)
        with picture_turn():
            return _json({"codes": codes(content)})


def _add_extras(app: Flask, extras: Extras) -> None:
    """What takes seconds, each with turns of its own; 404 where it is not installed."""
    page_turn, sound_turn = OneAtATime(WAITING), OneAtATime(WAITING)
    reader, listener = extras.reader, extras.listener

    if reader is not None:

        @app.post("/v1/ocr")
        def ocr() -> Response:
            content = questions.body(questions.MAX_PICTURE_BYTES)
            with page_turn():
                return _json({"lines": reader.lines(content)})

    if listener is not None:

        @app.post("/v1/transcribe")
        def transcribe() -> Response:
            content = questions.body(questions.MAX_SOUND_BYTES)
            with sound_turn():
                return _json(listener.transcribe(content))


def _add_errors(app: Flask) -> None:
    @app.errorhandler(Refusal)
    def refused(error: Refusal) -> Response:
        return _error(error.status, error.code, str(error))

    for kind, status, code in (
        (NoPictureError, 400, "bad_picture"),
        (NoSoundError, 400, "bad_sound"),
        (PictureTooLargeError, 413, "too_large"),
        (SoundTooLongError, 413, "too_large"),
    ):
        app.register_error_handler(kind, partial(_refusal, status, code))

    @app.errorhandler(BusyError)
    def busy(_: BusyError) -> Response:
        response = _error(503, "busy", "too many such requests wait already")
        response.headers["Retry-After"] = str(RETRY_AFTER)
        return response

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        code = error.name.lower().replace(" ", "_")
        return _error(error.code or 500, code, error.description or error.name)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        log.error("a model failed", exc_info=error)
        return _error(500, "internal", "the model failed; the server's log has the reason")


def _refusal(status: int, code: str, error: Exception) -> Response:
    return _error(status, code, str(error))


def _text() -> str:
    return question(TextQuestion, questions.MAX_TEXT_BYTES).text


def _json(answer: object) -> Response:
    return Response(msgspec.json.encode(answer), mimetype="application/json")


def _error(status: int, code: str, message: str) -> Response:
    response = _json({"error": {"code": code, "message": message}})
    response.status_code = status
    return response
