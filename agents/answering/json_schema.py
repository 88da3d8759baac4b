"""The shape that a caller wants its answer in: OpenAI's `response_format`, and answers checked against it.

Regular expressions of a schema (`pattern`) are left to the engine that writes by it: a caller's own could
keep the process busy for ever. No schema is fetched from elsewhere.
"""

import json
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from tools.errors import BadRequest
from tools.schema import JsonObject

MOST_BYTES = 65_536
ANY_OBJECT: JsonObject = {"type": "object"}
_CHECKED = extend(Draft202012Validator, {"pattern": None, "patternProperties": None, "$dynamicRef": None})


@dataclass(frozen=True)
class Shape:
    """`schema` is JSON Schema; `free` means that any object will do. `wire` goes to the engine as it is."""

    schema: JsonObject
    free: bool
    wire: JsonObject

    def read(self, text: str) -> tuple[Any, str]:
        """The value in `text`, and what is wrong with it (nothing: an empty text)."""
        try:
            value = json.loads(text)
            wrong = next(_validator(self.schema).iter_errors(value), None)
        except ValueError as exc:
            return None, f"this is no JSON: {exc}"
        except (RecursionError, Unresolvable) as exc:
            raise _bad("the schema refers to itself or to something that is not in it") from exc
        return value, "" if wrong is None else f"{wrong.json_path}: {wrong.message[:300]}"


def read_shape(response_format: JsonObject | None) -> Shape | None:
    """The shape that a caller asks for; None for text. Raises BadRequest for what is no schema."""
    kind = (response_format or {}).get("type", "text")
    if response_format is None or kind == "text":
        return None
    if kind == "json_object":
        return Shape(ANY_OBJECT, free=True, wire=response_format)
    named = response_format.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise _bad("it is text, json_object, or json_schema with a schema")
    if len(json.dumps(schema)) > MOST_BYTES:
        raise _bad(f"a schema may have {MOST_BYTES} bytes")
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as exc:
        why = exc.message if isinstance(exc, ValidationError | SchemaError) else "it is nested too deeply"
        raise _bad(f"this is no JSON Schema: {why[:300]}") from exc
    return Shape(schema, free=False, wire=response_format)


def _validator(schema: JsonObject) -> Any:
    return _CHECKED(schema, registry=Registry())


def _bad(why: str) -> BadRequest:
    return BadRequest(why, param="response_format", source="api", code="invalid_schema")
