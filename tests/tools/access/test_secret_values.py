"""Whatever a process was told in secret is found, in every section, and taken out of what it writes."""

import base64
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import structlog
from pydantic import BaseModel, SecretStr

from tools.access.secret_values import concealer, secret_values
from tools.log import configure, get_logger
from tools.settings import Settings

HARD = 'ca"na\\ry-ñ/7 @%41'


def secret_fields(model: type[BaseModel], *above: str) -> Iterator[tuple[str, ...]]:
    """The way to every SecretStr below a model; what a mapping holds is called `some`."""
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        here = (*above, name, "some") if get_origin(field.annotation) is dict else (*above, name)
        if SecretStr in kinds:
            yield here
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from secret_fields(kind, *here)


SERVER = ("agents", "mcp", "some")
BESIDE: dict[tuple[str, ...], dict[str, str]] = {
    (*SERVER, "env"): {"command": "node"},
    (*SERVER, "headers"): {"url": "https://tools.example.org/mcp"},
    (*SERVER, "oauth"): {"url": "https://tools.example.org/mcp"},
    (*SERVER, "oauth", "client_secret"): {"client_id": "house"},
}
"""What must stand beside a field."""
FIELDS = sorted(set(secret_fields(Settings)))


def told(home: Path, way: tuple[str, ...], secret: str) -> Settings:
    values: Any = secret
    for depth in range(len(way), 0, -1):
        values = {**BESIDE.get(way[:depth], {}), way[depth - 1]: values}
    return Settings.model_validate({"home": home, **values})


def test_the_settings_have_the_secrets_that_we_think_of() -> None:
    assert {("api_key",), ("s3", "secret_key"), ("alerts", "smtp"), ("oidc", "client_secret")} <= set(FIELDS)
    assert len(FIELDS) >= 12


@pytest.mark.parametrize("way", FIELDS, ids=".".join)
def test_a_secret_is_found_wherever_it_was_told(tmp_path: Path, way: tuple[str, ...]) -> None:
    assert "canary-of-the-tests" in secret_values(told(tmp_path, way, "canary-of-the-tests"))
    found = secret_values(told(tmp_path, way, "smtp://user:canary%2Fof-tests@mail.example:587"))
    assert {"canary%2Fof-tests", "canary/of-tests"} <= found
    assert "smtp://user:canary%2Fof-tests@mail.example:587" not in found


def test_the_installations_own_are_among_them_and_ordinary_words_are_not(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path})
    own = settings.secrets
    assert {own.nebula, own.prefect, own.redis, own.identity} <= secret_values(settings)
    assert "nebula" not in secret_values(settings)
    assert "k" not in secret_values(told(tmp_path, ("api_key",), "k"))


def test_a_password_in_an_address_that_is_no_secret_is_found(tmp_path: Path) -> None:
    stores = {"milvus_uri": "https://root:canary-in-address@milvus.example:19530"}
    assert "canary-in-address" in secret_values(Settings.model_validate({"home": tmp_path, "stores": stores}))


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the log writes; the loggers are put back as they were."""
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = root.handlers[:]
    written = io.StringIO()
    configure("test", stream=written, conceal=concealer([HARD, "another-canary"]))
    yield written
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_no_spelling_of_a_secret_is_written(lines: io.StringIO) -> None:
    basic = base64.b64encode(f"capibara6:{HARD}".encode()).decode()
    get_logger("x").info("event", note=f"it is {HARD}", header=basic, nested={"a": [HARD]}, **{HARD: 1})
    logging.getLogger("foreign").warning("failed with %s and %r", HARD, "another-canary")
    try:
        raise ValueError(HARD)
    except ValueError as exc:
        get_logger("x").error("failed", exc_info=exc)
    text = lines.getvalue()
    assert len(text.splitlines()) == 3
    assert all(json.loads(line) for line in text.splitlines())
    for spelling in (HARD, json.dumps(HARD)[1:-1], basic, "another-canary", "na\\\\ry", "7 @%41"):
        assert spelling not in text
