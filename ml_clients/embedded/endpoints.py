"""The HTTP face of the models: one endpoint each, plain JSON; docs/models.md lists them."""

import logging

import msgspec
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from ml_clients.embedded import questions
from ml_clients.embedded.gate import BusyError, Gate
from ml_clients.embedded.models import Models
from ml_clients.embedded.monochrome import NoPictureError, PictureTooLargeError, monochrome
from ml_clients.embedded.questions import Conversation, Refusal, TextQuestion, question
from ml_clients.embedded.summary import summarize

# Of heavy work one runs, and so many wait, each holding a thread: most threads stay free.
WAITING = 4
RETRY_AFTER = 2

log = logging.getLogger(__name__)


def create_app(models: Models) -> Flask:
    """The application over these models."""
    app = Flask(__name__, static_folder=None)
    _add_small(app, models)
    _add_heavy(app, models)
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


def _add_heavy(app: Flask, models: Models) -> None:
    # A gate each: a picture does not wait for a long room.
    summary_gate, picture_gate = Gate(WAITING), Gate(WAITING)

    @app.post("/v1/summary")
    def summary() -> Response:
        asked = question(Conversation, questions.MAX_MESSAGES_BYTES)
        with summary_gate():
            messages = [(message.sender, message.text) for message in asked.messages]
            return _json({"lines": summarize(models.encoder, messages)})

    @app.post("/v1/monochrome")
    def picture() -> Response:
        content = questions.body(questions.MAX_PICTURE_BYTES)
        with picture_gate():
            return Response(monochrome(content), mimetype="image/png")


def _add_errors(app: Flask) -> None:
    @app.errorhandler(Refusal)
    def refused(error: Refusal) -> Response:
        return _error(error.status, error.code, str(error))

    @app.errorhandler(NoPictureError)
    def no_picture(error: NoPictureError) -> Response:
        return _error(400, "bad_picture", str(error))

    @app.errorhandler(PictureTooLargeError)
    def too_large(error: PictureTooLargeError) -> Response:
        return _error(413, "too_large", str(error))

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


def _text() -> str:
    return question(TextQuestion, questions.MAX_TEXT_BYTES).text


def _json(answer: object) -> Response:
    return Response(msgspec.json.encode(answer), mimetype="application/json")


def _error(status: int, code: str, message: str) -> Response:
    response = _json({"error": {"code": code, "message": message}})
    response.status_code = status
    return response
