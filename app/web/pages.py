"""The two pages."""

from __future__ import annotations

from flask import Blueprint, render_template


def pages() -> Blueprint:
    """GET / and GET /operator."""
    blueprint = Blueprint("pages", __name__)

    @blueprint.get("/")
    def chat() -> str:
        return render_template("chat.html")

    @blueprint.get("/operator")
    def operator() -> str:
        return render_template("operator.html")

    return blueprint
