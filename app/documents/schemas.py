"""Types as JSON Schema, each under its name in a document's components."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import FieldInfo, fields

PLACE = "#/components/schemas/{name}"

Schema = dict[str, Any]


class Schemas:
    """Collects types that a document names, and what these consist of."""

    def __init__(self, kinds: Iterable[Any]) -> None:
        kinds = list(dict.fromkeys(kinds))
        shown = {kind: _without_raw_defaults(kind) for kind in kinds}
        schemas, components = msgspec.json.schema_components(shown.values(), ref_template=PLACE)
        self.components = dict(sorted(components.items()))
        self._of: Mapping[Any, Schema] = dict(zip(kinds, map(_worded, schemas), strict=True))
        structs = {each.__name__: each for kind in shown.values() for each in _structs(kind, set())}
        for name, schema in self.components.items():
            _worded(schema)
            if name in structs and structs[name].__struct_config__.omit_defaults:
                _say_what_is_left_out(schema)

    def of(self, kind: Any) -> Schema:
        """The schema of a type, mostly a reference to its component."""
        return self._of[kind]


def _structs(kind: Any, seen: set[Any]) -> set[Any]:
    """Every struct in a type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in seen:
            seen.add(kind)
            for each in fields(kind):
                _structs(each.type, seen)
    else:
        for part in getattr(kind, "__args__", ()):
            _structs(part, seen)
    return seen


def _without_raw_defaults(kind: Any) -> Any:
    """The same struct with `Any` for fields that default to an empty Raw, which msgspec cannot put into a schema."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return kind
    own = fields(kind)
    if not any(isinstance(each.default, Raw) for each in own):
        return kind
    return msgspec.defstruct(
        kind.__name__,
        [_field(each) for each in own],
        kw_only=True,
        omit_defaults=True,
        namespace={"__doc__": kind.__doc__},
    )


def _field(own: FieldInfo) -> Any:
    if isinstance(own.default, Raw):
        return own.encode_name, Any, None
    if own.default is not msgspec.NODEFAULT:
        return own.encode_name, own.type, own.default
    return own.encode_name, own.type


def _worded(schema: Any) -> Any:
    """In place: patterns as ECMA 262 writes them, and what docstrings are indented by taken off."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            schema["pattern"] = schema["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
        if isinstance(schema.get("description"), str):
            schema["description"] = inspect.cleandoc(schema["description"])
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _worded(part)
    return schema


def _say_what_is_left_out(schema: Schema) -> None:
    """In place: a field that is left out where there is nothing to say is never null."""
    required = schema.get("required", [])
    for name, part in schema.get("properties", {}).items():
        if name not in required and part.get("default", UNSET) is None:
            del part["default"]
            kinds = [each for each in part.get("anyOf", ()) if each != {"type": "null"}]
            if len(kinds) == 1:
                del part["anyOf"]
                part.update(kinds[0])
            elif kinds:
                part["anyOf"] = kinds
