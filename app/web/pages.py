"""The two pages."""

from __future__ import annotations

from flask import Blueprint, render_template

from app.documents.route import route
from app.settings import Settings


def pages(settings: Settings) -> Blueprint:
    """GET / and GET /operator: shells without data, which know how people prove who they are."""
    blueprint = Blueprint("pages", __name__)
    shown = {"auth": settings.auth, "renew": settings.auth_renew_url}

    @blueprint.get("/")
    @route("The chat page", "text/html")
    def chat() -> str:
        return render_template("chat.html", **shown)

    @blueprint.get("/operator")
    @route("The operator page", "text/html")
    def operator() -> str:
        return render_template("operator.html", **shown)

    return blueprint
