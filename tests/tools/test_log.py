"""Logs: what must never be written is not."""

import json
from typing import Any

import pytest

from tools.log import redact

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("field", "value", "secret"),
    [
        ("api_key", "s3cret-1", "s3cret-1"),
        ("dsn", "postgresql://u:s3cret-2@h/db", "s3cret-2"),
        ("note", "connecting to redis://:s3cret-3@host:6379", "s3cret-3"),
        ("headers", {"authorization": "Bearer s3cret-4"}, "s3cret-4"),
        ("error", "Authorization: Bearer s3cret-5 refused", "s3cret-5"),
        ("body", ['{"password": "s3cret-6"}'], "s3cret-6"),
    ],
)
def test_no_secret_reaches_a_log_line(field: str, value: Any, secret: str) -> None:
    assert secret not in json.dumps(redact(None, "", {"event": "x", field: value}))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("authorization: Basic c2VjcmV0LXNldmVu", "c2VjcmV0LXNldmVu"),
        ("postgresql://u:s3cret@8@h/db?x=1", "s3cret@8"),
        ("GET /?access_token=s3cret-9&x=1", "s3cret-9"),
        ("signed c6i.eyJh.s3cret-10.x", "s3cret-10"),
        ("the key c6-1a2b3c-s3cret-eleven is wrong", "s3cret-eleven"),
        ("set-cookie: c6=s3cret-12; Path=/", "s3cret-12"),
        ("{'secret_key': 's3cret-13'}", "s3cret-13"),
    ],
)
def test_no_secret_in_a_text_reaches_a_log_line(text: str, secret: str) -> None:
    assert secret not in json.dumps(redact(None, "", {"event": text, "nested": [{"x": (text,)}]}))


@pytest.mark.parametrize(
    "name", ["x-api-key", "X-API-Key", "auth_string", "s3_secret_key", "Set-Cookie", "dsn"]
)
def test_a_field_that_is_called_like_a_secret_is_never_written(name: str) -> None:
    assert redact(None, "", {"headers": {name: "s3cret"}}) == {"headers": {name: "***"}}


def test_words_about_secrets_are_left_alone() -> None:
    text = "tokens: 12, first token after 50 ms, a basic question, the secretary's password policy"
    assert redact(None, "", {"event": text}) == {"event": text}
