"""Milvus filters: what is harmless passes as it is, the rest never reaches the store."""

from pathlib import Path

import pytest

from servers.bridge.clients.milvus.filters import compiled, scoped
from tools.errors import BadRequest

pytestmark = pytest.mark.pure


def corpus(name: str) -> list[str]:
    """One expression a line."""
    return (Path(__file__).parents[1] / "corpora" / f"filters_{name}.txt").read_text("utf-8").splitlines()


GOOD = [*corpus("benign"), "id in [" + ", ".join(f'"d{n}:0"' for n in range(200)) + "]"]
SHAPES = [
    "\x00",
    'language == "es\x00"\x00',
    'language == "es\nen"',
    "(" * 100 + ")" * 100,
    "[" * 21 + "]" * 21,
    "not " * 2_000 + "true",
    "id in [" + ", ".join('"a"' for _ in range(5_000)) + "]",
    'language == "' + "x" * 1_000_000 + '"',
    " and ".join(['language == "es"'] * 60_000),
    "1" * 20_000,
    "\ud800",
    'language == "es" \u2028 x',
]
BAD = [*corpus("attacks"), *SHAPES]


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len(set(GOOD)) >= 70
    assert len(set(BAD)) >= 150


@pytest.mark.parametrize("expression", GOOD)
def test_harmless_filter_passes_unchanged(expression: str) -> None:
    assert compiled(expression) == expression


@pytest.mark.parametrize("expression", BAD, ids=lambda expression: ascii(expression[:60]))
def test_harmful_filter_is_refused(expression: str) -> None:
    with pytest.raises(BadRequest) as caught:
        compiled(expression)
    assert caught.value.code == "invalid_filter"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('NOT (language == "AND") OR title LIKE "IN%"', 'not (language == "AND") or title like "IN%"'),
        ("id In ['OR'] And metadata[\"NOT\"] == TRUE", "id in ['OR'] and metadata[\"NOT\"] == true"),
        ('EXISTS metadata["a"]', 'exists metadata["a"]'),
    ],
)
def test_operators_are_small_letters_and_values_as_they_were(written: str, meant: str) -> None:
    assert compiled(written) == meant


def test_no_filter_is_no_filter() -> None:
    assert compiled(None) == compiled("  ") == ""


@pytest.mark.parametrize("expression", GOOD[:10])
def test_a_tenants_rows_are_chosen_around_the_filter_and_not_by_it(expression: str) -> None:
    assert scoped("a", compiled(expression)) == f'tenant == "a" and ({expression})'
