"""The two pages."""

from __future__ import annotations

from flask import Blueprint, render_template

from app.settings import Settings


def pages(settings: Settings) -> Blueprint:
    """GET / and GET /operator: shells without data, which know how people prove who they are."""
    blueprint = Blueprint("pages", __name__)
    shown = {"auth": settings.auth, "renew": settings.auth_renew_url}

    @blueprint.get("/")
    def chat() -> str:
        return render_template("chat.html", **shown)

    @blueprint.get("/operator")
    def operator() -> str:
        return render_template("operator.html", **shown)

    return blueprint
