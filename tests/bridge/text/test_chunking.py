"""Chunking: passages that can be read alone, nothing lost, nothing mixed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.bridge.text.chunking import MAX_TOKENS, estimated_tokens, split

pytestmark = pytest.mark.pure

PAGE = """# Modelos

El servidor mantiene tres modelos cargados.

## Descarga

Un modelo se descarga tras 300 segundos sin peticiones.

```python
# this is no heading
load("phi4_fast")
```

# Puertos

| servicio | puerto |
|---|---|
| api | 5000 |
"""


def test_headings_become_the_path_of_each_passage() -> None:
    assert [chunk.heading for chunk in split(PAGE)] == ["Modelos", "Modelos › Descarga", "Puertos"]


def test_a_hash_inside_code_is_no_heading() -> None:
    assert "# this is no heading" in split(PAGE)[1].text


def test_a_short_document_is_one_passage() -> None:
    assert [chunk.text for chunk in split("Una frase. Otra frase.")] == ["Una frase. Otra frase."]


def test_a_long_paragraph_is_cut_at_sentences() -> None:
    text = " ".join(f"Sentence number {n} says something about topic {n}." for n in range(200))
    chunks = split(text)
    assert len(chunks) > 5
    assert all(chunk.text.endswith(".") and estimated_tokens(chunk.text) <= MAX_TOKENS for chunk in chunks)


def test_neighbours_share_a_sentence_so_that_no_reference_dangles() -> None:
    text = " ".join(f"Sentence number {n} says something about topic {n}." for n in range(200))
    first, second = split(text)[:2]
    assert second.text.split(".")[0] in first.text


def test_a_word_without_end_is_still_bounded() -> None:
    assert all(len(chunk.text) <= MAX_TOKENS * 300 for chunk in split("x" * 1_000_000))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=2_000))
def test_any_text_splits_into_bounded_passages_in_order(text: str) -> None:
    chunks = split(text)
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.text.strip() for chunk in chunks)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc dé.", min_size=3, max_size=80), max_size=20))
def test_every_word_survives(paragraphs: list[str]) -> None:
    text = "\n\n".join(paragraphs)
    kept = " ".join(chunk.text for chunk in split(text)).split()
    assert set(text.split()) <= set(kept) | {""}
