"""Puts an example beside every operation of the bridge's OpenAPI, and our envelope beside every failure.

The examples themselves are `examples.yaml`.
"""

from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI

from tools.errors import RateLimited

ENVELOPE = RateLimited("this key may make 600 requests a minute", source="bridge").envelope()
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code", "param", "source"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "code": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "source": {"type": ["string", "null"]},
            },
        }
    },
}


def explained(app: FastAPI) -> None:
    """From now on `app.openapi()` has the examples; they are read when somebody asks for it."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _explain(make())
        return make()

    app.openapi = openapi


def _explain(schema: dict[str, Any]) -> None:
    examples = yaml.safe_load(Path(__file__).with_name("examples.yaml").read_text("utf-8"))
    schema["components"]["schemas"]["Error"] = ERROR
    failed = {"schema": {"$ref": "#/components/schemas/Error"}, "example": ENVELOPE}
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            example = examples.get(f"{method.upper()} {path}", {})
            operation["responses"].pop("422", None)  # what does not validate is a 400 here
            _place(operation, example)
            operation["responses"]["default"] = {
                "description": "Any failure. 401: no valid key; 403: not with this scope; "
                "404: not of this tenant; 429 and 503 carry `Retry-After`.",
                "content": {"application/json": failed},
            }


def _place(operation: dict[str, Any], example: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["name"] in example.get("parameters", {}):
            parameter["example"] = example["parameters"][parameter["name"]]
    if "request" in example:
        operation["requestBody"]["content"]["application/json"]["example"] = example["request"]
    if "response" in example:
        (answer,) = operation["responses"].values()
        for content in answer["content"].values():
            content["example"] = example["response"]
