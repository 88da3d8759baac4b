"""OpenAI's requests in Ollama's words."""

import json
import random

import pytest

from servers.pool.http import validation
from servers.pool.upstream.ollama_translate import to_native
from tests.pool.http.test_fault_app import body
from tools.errors import BadRequest

pytestmark = pytest.mark.pure


def test_no_request_however_odd_breaks_the_translation_to_ollama():
    for seed in range(3000):
        source = random.Random(seed)
        try:
            request = validation.chat(validation.parse(body(source)))
        except BadRequest:
            continue
        path, native = to_native("/v1/chat/completions", request, "tag")
        assert path == "/api/chat" and native["model"] == "tag", f"seed {seed}"
        json.dumps(native)
