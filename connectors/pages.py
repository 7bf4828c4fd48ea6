"""The pages about imports."""

from __future__ import annotations

from flask import Blueprint

pages = Blueprint("imports", __name__, template_folder="templates")


@pages.get("/imports")
def imports() -> str:
    """Every import."""
    return ""
