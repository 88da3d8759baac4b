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
