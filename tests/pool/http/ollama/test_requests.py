"""Ollama's requests in OpenAI's words."""

import pytest

from servers.pool.http.ollama import requests
from tools.errors import Capibara6Error

pytestmark = pytest.mark.pure


def test_ollamas_words_become_openais():
    options = {"num_predict": -1, "temperature": 0.5, "repeat_penalty": 1.1, "mirostat": 2}
    given = {"model": "a:latest", "prompt": "x", "system": "s", "stream": False, "format": "json"}
    given["options"] = options
    path, made = requests.generate(given)
    assert path == "/v1/chat/completions" and made["model"] == "a"
    assert made["messages"][0] == {"role": "system", "content": "s"}
    assert (made["temperature"], made["repetition_penalty"]) == (0.5, 1.1)
    assert "max_tokens" not in made and made["response_format"] == {"type": "json_object"}
    assert requests.generate({"model": "a", "prompt": "x", "raw": True})[0] == "/v1/completions"
    schema = requests.chat({"model": "a", "messages": [], "format": {"type": "object"}})
    assert schema["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("said", "seconds"), [("5m", 300.0), (10, 10.0), ("1.5h", 5400.0), (0, 0.0), (None, None), ("300ms", 0.3)]
)
def test_keep_alive_is_read_in_all_its_spellings(said, seconds):
    assert requests.keep_alive({"keep_alive": said}) == seconds
    assert (requests.keep_alive({"keep_alive": -1}) or 0) > 10**8


@pytest.mark.parametrize("said", ["soon", [], True, "5 minutes"])
def test_a_keep_alive_that_means_nothing_is_refused(said):
    with pytest.raises(Capibara6Error):
        requests.keep_alive({"keep_alive": said})
