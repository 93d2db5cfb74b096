"""Schemas of a document, read as strictly as they can be: nothing beside what is named."""

from __future__ import annotations

import copy
from typing import Any

from jsonschema import Draft202012Validator


class Strict:
    """Checks data against the components of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        components = copy.deepcopy(document["components"])
        for schema in components["schemas"].values():
            schema.setdefault("additionalProperties", False)
        self._components = components

    def check(self, data: Any, schema: dict[str, Any]) -> None:
        """Fails unless the data is exactly of this schema."""
        whole = {**schema, "components": self._components}
        found = [f"{'/'.join(map(str, each.path))}: {each.message}" for each in _validator(whole).iter_errors(data)]
        assert not found, found


def _validator(schema: dict[str, Any]) -> Any:
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
