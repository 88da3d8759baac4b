"""The pool's OpenAPI document, written by hand as no framework knows its paths, and its page."""

from functools import cache
from importlib.metadata import version
from pathlib import Path

import orjson
import yaml
from fastapi.openapi.docs import get_swagger_ui_html

from tools.schema import JsonObject

DOCUMENT = Path(__file__).with_name("openapi.yaml")


def document() -> JsonObject:
    """`openapi.yaml`, with this version."""
    read = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    read["info"]["version"] = version("capibara6")
    read["security"] = [{}, *({name: []} for name in read["components"]["securitySchemes"])]
    return read


@cache
def as_json() -> bytes:
    """The document as it is served."""
    return orjson.dumps(document())


@cache
def page() -> bytes:
    """The same page that the other services have at `/docs`."""
    return bytes(get_swagger_ui_html(openapi_url="/openapi.json", title="capibara6 pool").body)
