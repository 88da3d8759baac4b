"""The bridge's OpenAPI: every operation has an example, and each validates against its schema."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from servers.bridge.main import build_app
from tests.conftest import settings_in


def document() -> dict[str, Any]:
    with TemporaryDirectory() as home:
        return build_app(settings_in(Path(home))).openapi()


OPENAPI = document()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in OPENAPI["paths"].items()
    for method, operation in item.items()
}


def wrong(schema: dict[str, Any], value: Any) -> list[str]:
    whole = {**schema, "components": OPENAPI["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_examples_that_validate(name: str) -> None:
    operation = OPERATIONS[name]
    bodies = [*operation.get("requestBody", {}).get("content", {}).values()]
    assert "requestBody" not in operation or bodies
    for answer in operation["responses"].values():
        bodies += answer["content"].values()
    for body in bodies:
        assert "example" in body, body
        assert wrong(body["schema"], body["example"]) == []
    for parameter in operation.get("parameters", []):
        assert "example" in parameter, parameter["name"]
        assert wrong(parameter["schema"], parameter["example"]) == []


def test_no_example_is_of_an_operation_that_is_not_there() -> None:
    written = yaml.safe_load(Path("servers/bridge/http/examples.yaml").read_text("utf-8"))
    assert set(written) == set(OPERATIONS)
