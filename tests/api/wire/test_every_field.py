"""Every field of OpenAI's requests, as its own client declares them: it has an effect, is refused by its
name, or is named in the header `x-capibara6-ignored`. A field that a later client adds is walked too.
"""

from collections.abc import Callable
from typing import Any, get_type_hints

import httpx
import pytest
from openai.types import EmbeddingCreateParams
from openai.types.chat import completion_create_params as chat
from openai.types.completion_create_params import CompletionCreateParamsBase
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from servers.web.door import IGNORED
from tests.agents.peers import Knobs

QUESTION = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
SAID = "El servidor puede tener cargados tres modelos a la vez [1]."
FUNCTION = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
FLAT = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}
MODEL = "/v1/chat/completions"
PATHS: dict[str, tuple[Any, dict[str, Any]]] = {
    MODEL: (
        chat.CompletionCreateParamsBase,
        {"model": "capibara6", "messages": [{"role": "user", "content": QUESTION}]},
    ),
    "/v1/completions": (CompletionCreateParamsBase, {"model": "capibara6", "prompt": QUESTION}),
    "/v1/responses": (ResponseCreateParamsBase, {"model": "capibara6", "input": QUESTION}),
    "/v1/embeddings": (EmbeddingCreateParams, {"model": "all-MiniLM-L6-v2", "input": "hola"}),
}
VALUES: dict[str, Any] = {
    "audio": {"voice": "alloy", "format": "mp3"},
    "background": True,
    "best_of": 2,
    "conversation": "hilo-campos",
    "dimensions": 2,
    "echo": True,
    "encoding_format": "base64",
    "frequency_penalty": 0.5,
    "function_call": {"name": "look_up"},
    "functions": [{"name": "look_up"}],
    "include": ["reasoning.encrypted_content"],
    "instructions": "Habla claro.",
    "logit_bias": {"5": 1},
    "logprobs": True,
    "max_completion_tokens": 77,
    "max_output_tokens": 77,
    "max_tokens": 77,
    "max_tool_calls": 3,
    "metadata": {"collection": "notas"},
    "modalities": ["text", "audio"],
    "n": 2,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "tres"},
    "presence_penalty": 0.5,
    "previous_response_id": "resp_nobody",
    "reasoning": {"effort": "low"},
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "seed": 7,
    "stop": ["fin"],
    "store": False,
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.3,
    "text": {"format": {"type": "json_object"}},
    "tool_choice": "required",
    "tools": [FUNCTION],
    "top_logprobs": 2,
    "top_p": 0.4,
    "truncation": "auto",
}
"""What is sent; a text for a field that is not here."""
WITH: dict[str, dict[str, Any]] = {
    "parallel_tool_calls": {"tools": [FUNCTION]},
    "tool_choice": {"tools": [FUNCTION]},
    "stream_options": {"stream": True},
}
"""Without these a field could have no effect."""
SENT_AS = {"max_output_tokens": "max_tokens", "reasoning": "reasoning_effort", "text": "response_format"}


def walked() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for path, (declared, base) in PATHS.items():
        names = set(get_type_hints(declared)) | ({"stream"} if path != "/v1/embeddings" else set())
        found += [(path, name) for name in sorted(names - set(base))]
    return found


def reached_model(knobs: Knobs, name: str, value: Any) -> bool:
    """The field is in what the model or the embedder was asked."""
    sent = SENT_AS.get(name, name)
    bodies = [*knobs.asked.get(MODEL, ()), *knobs.asked.get("/api/v1/embeddings", ())]
    wanted = {"reasoning": "low", "text": {"type": "json_object"}}.get(name, value)
    if name == "tools":
        return any("look_up" in str(body.get("tools")) for body in bodies)
    if name == "instructions":
        return any(value in str(body["messages"]) for body in bodies)
    return any(body.get(sent) == wanted for body in bodies)


SHOWN: dict[str, Callable[[Knobs, httpx.Response], bool]] = {
    "stream": lambda _, answer: answer.headers["content-type"].startswith("text/event-stream"),
    "stream_options": lambda _, answer: '"usage":{"prompt_tokens"' in answer.text,
    "echo": lambda _, answer: answer.json()["choices"][0]["text"].startswith(QUESTION),
    "metadata": lambda knobs, _: knobs.asked["/api/v1/rag/hybrid-search"][-1]["collection"] == "notas",
    "conversation": lambda _, answer: answer.json()["capibara6"]["thread_id"] == "hilo-campos",
    "store": lambda _, answer: answer.json().get("store") is False,
    "encoding_format": lambda _, answer: isinstance(answer.json()["data"][0]["embedding"], str),
}
"""How the answer, or where it was looked for, shows a field that no model is sent."""


@pytest.mark.parametrize(("path", "name"), walked())
async def test_field_has_an_effect_or_is_named(
    http: httpx.AsyncClient, knobs: Knobs, path: str, name: str
) -> None:
    knobs.model = "phi4_fast"
    knobs.mind = lambda body: [{"content": "{}" if body.get("response_format") else SAID}]
    value = VALUES.get(name, "algo")
    beside = WITH.get(name, {})
    if path == "/v1/responses":
        value = [FLAT] if name == "tools" else value
        beside = {"tools": [FLAT]} if "tools" in beside else beside
    answer = await http.post(path, json={**PATHS[path][1], **beside, name: value})
    if answer.status_code in (400, 404):
        error = answer.json()["error"]
        assert (error["param"] or "").split(".")[0] == name, error
        return
    assert answer.status_code == 200, answer.text
    if name in answer.headers.get(IGNORED, "").replace("[]", "").split(", "):
        return
    shown = name in SHOWN and SHOWN[name](knobs, answer)
    assert shown or reached_model(knobs, name, value), answer.text[:300]


async def test_field_that_nobody_knows_is_named(http: httpx.AsyncClient, knobs: Knobs) -> None:
    for path, (_, base) in PATHS.items():
        answer = await http.post(path, json={**base, "wish": 1, "bad name\n": 1})
        assert answer.status_code == 200
        assert answer.headers[IGNORED] == "wish, ?"
    messages = [{"role": "user", "content": QUESTION, "name": "ana", "mood": "good"}]
    answer = await http.post(MODEL, json={"messages": messages, "metadata": {"ours": "1"}})
    assert answer.headers[IGNORED] == "messages[].mood, messages[].name, metadata.ours"
