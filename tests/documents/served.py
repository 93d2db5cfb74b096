"""The documents as a web process serves them, without a server in front."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from app import create_app
from app.concurrency import patch
from app.settings import from_env

FOLDER = Path(__file__).parent
NAMES = ("asyncapi", "openapi")
HOST = {"Host": "localhost"}


def documents(**settings: str) -> dict[str, Any]:
    """Both, by name, under AUTH=token unless the settings say otherwise."""
    concurrency = patch("threading")
    with tempfile.TemporaryDirectory() as folder:
        values = {"DATA_DIR": folder, "AUTH": "token", "AUTH_SECRET": "x" * 32, **settings}
        server = create_app(from_env({name: value for name, value in values.items() if value}), concurrency)
        client = server.flask.test_client()
        found = {name: client.get(f"/{name}.json", headers=HOST).json for name in NAMES}
        concurrency.await_(server.store.close(), 10)
    return found


def golden(name: str) -> Path:
    """Where a document is kept, so that each change of the contract is seen in a diff."""
    return FOLDER / f"{name}.json"


def text(document: Any) -> str:
    """A document as it is kept."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, document in documents().items():
        golden(name).write_text(text(document))
