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
            path, native = to_native("/v1/chat/completions", request, "tag")
        except BadRequest:
            continue
        assert path == "/api/chat" and native["model"] == "tag", f"seed {seed}"
        json.dumps(native)


HI = [{"role": "user", "content": "hola"}]
LINK = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("n", {"n": 2}),
        ("logprobs", {"logprobs": True}),
        ("logit_bias", {"logit_bias": {"1": 5}}),
        ("tool_choice", {"tools": TOOLS, "tool_choice": "required"}),
        ("tool_choice", {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ("messages", {"messages": [{"role": "user", "content": [LINK]}]}),
        ("messages", {"messages": [{"role": "user", "content": [SOUND]}]}),
    ],
)
def test_what_ollama_would_leave_out_in_silence_is_refused_by_name(field, asked):
    with pytest.raises(BadRequest) as refused:
        to_native("/v1/chat/completions", {"messages": HI, **asked}, "tag")
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", field)


def test_two_prompts_are_not_made_one():
    with pytest.raises(BadRequest):
        to_native("/v1/completions", {"prompt": ["uno", "dos"]}, "tag")
    assert to_native("/v1/completions", {"prompt": ["uno"], "suffix": "fin"}, "tag")[1]["suffix"] == "fin"


@pytest.mark.parametrize(
    ("asked", "think"),
    [
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "minimal"}, "low"),
        ({"reasoning_effort": "high"}, "high"),
        ({"chat_template_kwargs": {"enable_thinking": True}}, True),
        ({}, None),
    ],
)
def test_how_much_a_model_shall_think_is_handed_on(asked, think):
    native = to_native("/v1/chat/completions", {"messages": HI, **asked}, "tag")[1]
    assert native.get("think") == think


def test_pictures_are_handed_on_and_tools_that_shall_not_be_called_are_not():
    request = {"messages": [{"role": "user", "content": [PICTURE]}], "tools": TOOLS, "tool_choice": "none"}
    native = to_native("/v1/chat/completions", request, "tag")[1]
    assert native["messages"][0]["images"] == ["iVBO"]
    assert "tools" not in native
