"""Milvus filters: what is harmless passes as it is, the rest never reaches the store."""

import pytest

from servers.bridge.filters import compiled
from tools.errors import BadRequest

GOOD = [
    'language == "es"',
    "language == 'es'",
    'document_id in ["a", "b"]',
    'document_id not in ["a"]',
    'metadata["year"] > 2000 and metadata["year"] <= 2020',
    '(language == "es" or language == "en") and title like "Mod%"',
    'metadata["a"]["b"] == true',
    'json_contains(metadata["tags"], "x")',
    'title == "a \\"quoted\\" ñ title"',
    'title == ") or (1 == 1"',
    'metadata["n"] + 1 > 3',
    'metadata["x"] == -1.5e3',
    'source != "" && language == "en"',
]
BAD = [
    'language == "es") or (1 == 1',
    '(language == "es"',
    ")(",
    'tenant == "other"',
    'TENANT == "other"',
    '1 == 1 or tenant != ""',
    'tokens like "%secret%"',
    "dense == 1",
    "text_match(text, 'x')",
    'language == "es"; drop',
    "language == 'es' # x",
    'language == "es',
    'eval("x")',
    "{x} == 1",
    "language == `es`",
    "$meta == 1",
    "\x00",
    "(" * 100 + ")" * 100,
    "id in [" + ", ".join('"a"' for _ in range(500)) + "]",
    "random_sample(0.1)",
    'metadata["a"] == (1]',
    '"es" == language) and (tenant == "b"',
]


@pytest.mark.parametrize("expression", GOOD)
def test_harmless_filter_passes_unchanged(expression: str) -> None:
    assert compiled(expression) == expression


@pytest.mark.parametrize("expression", BAD)
def test_harmful_filter_is_refused(expression: str) -> None:
    with pytest.raises(BadRequest) as caught:
        compiled(expression)
    assert caught.value.code == "invalid_filter"


def test_no_filter_is_no_filter() -> None:
    assert compiled(None) == compiled("  ") == ""
