"""Adds to the bridge's OpenAPI an example for every operation, and our error envelope as every failure.

The examples themselves are `examples.yaml`.
"""

from pathlib import Path

import yaml
from fastapi import FastAPI

from tools.errors import RateLimited
from tools.schema import JsonObject

ENVELOPE = RateLimited("this key may make 600 requests a minute", source="bridge").envelope()
ERROR: JsonObject = {
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


def add_examples(app: FastAPI) -> None:
    """Let `app.openapi()` have the examples; they are read when somebody asks for it."""
    make = app.openapi

    def openapi() -> JsonObject:
        if app.openapi_schema is None:
            _complete(make())
        return make()

    app.openapi = openapi


def _complete(schema: JsonObject) -> None:
    examples = yaml.safe_load(Path(__file__).with_name("examples.yaml").read_text("utf-8"))
    schema["components"]["schemas"]["Error"] = ERROR
    failed = {"schema": {"$ref": "#/components/schemas/Error"}, "example": ENVELOPE}
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            example = examples.get(f"{method.upper()} {path}", {})
            operation["responses"].pop("422", None)  # what does not validate is a 400 here
            _add_example(operation, example)
            operation["responses"]["default"] = {
                "description": "Any failure. 401: no valid key; 403: not with this scope; "
                "404: not of this tenant; 429 and 503 carry `Retry-After`.",
                "content": {"application/json": failed},
            }


def _add_example(operation: JsonObject, example: JsonObject) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["name"] in example.get("parameters", {}):
            parameter["example"] = example["parameters"][parameter["name"]]
    if "request" in example:
        operation["requestBody"]["content"]["application/json"]["example"] = example["request"]
    if "response" in example:
        (answer,) = operation["responses"].values()
        for content in answer["content"].values():
            content["example"] = example["response"]
