"""Tokens are counted by the model's own tokenizer, whether or not an engine runs."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tests.pool.harness import model

SAID = [{"role": "user", "content": "uno dos tres"}, {"role": "assistant", "content": "cuatro"}]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder of weights of which only the tokenizer is there: one token a known word."""
    words = {"[UNK]": 0, "uno": 1, "dos": 2, "tres": 3, "cuatro": 4}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "weights" / "m"
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


async def test_messages_are_counted_by_the_tokenizer_beside_the_weights(open_client, journal, weights):
    async with open_client({"m": model(journal, weights="m")}, weights=weights.parent) as client:
        status, said = await client.post("/tokenize", {"model": "m", "messages": SAID})
        assert (status, said) == (200, {"model": "m", "count": 12, "counts": [7, 5]})
        assert (await client.post("/tokenize", {"model": "m", "prompt": ["uno", "dos tres"]}))[1][
            "counts"
        ] == [1, 2]
        assert client.written("start") == []


async def test_the_extractive_model_counts_words(open_client):
    async with open_client({"e": {"backend": "extractive"}}) as client:
        assert (await client.post("/tokenize", {"model": "e", "prompt": "uno dos tres"}))[1]["count"] == 3


async def test_a_tokenizer_that_is_not_here_is_said_so(open_client, journal):
    async with open_client({"m": model(journal)}) as client:
        status, said = await client.post("/tokenize", {"model": "m", "messages": SAID})
        assert (status, said["error"]["code"]) == (501, "not_supported")


async def test_bad_requests_are_refused(open_client):
    async with open_client({"e": {"backend": "extractive"}}) as client:
        for body in ({}, {"model": "e"}, {"model": "e", "messages": []}, {"model": "e", "prompt": [1, 2]}):
            assert (await client.post("/tokenize", body))[0] == 400
        assert (await client.post("/tokenize", {"model": "x", "prompt": "a"}))[0] == 404
