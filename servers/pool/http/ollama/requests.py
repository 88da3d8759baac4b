"""Ollama's requests in OpenAI's words, checked. Pure; `upstream/ollama_translate.py` goes the other way."""

import re
from typing import Any

import orjson

from servers.pool.upstream.ollama_translate import OPTIONS
from tools.errors import BadRequest
from tools.schema import JsonObject

DURATION = re.compile(r"(-?\d+(?:\.\d+)?)(ms|s|m|h)?")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
FOREVER_S = 10.0 * 365 * 86_400
BACK = {native: ours for ours, native in OPTIONS.items() if ours != "max_completion_tokens"}
"""Ollama's option → OpenAI's name."""


def chat(request: JsonObject) -> JsonObject:
    """The chat completion that an `/api/chat` request asks for."""
    messages = request.get("messages")
    if not isinstance(messages, list):
        raise _bad("messages", "must be a list")
    turned = [_message(message, index) for index, message in enumerate(messages)]
    made = {**_common(request), "messages": turned}
    if request.get("tools"):
        made["tools"] = request["tools"]
    return made


def generate(request: JsonObject) -> tuple[str, JsonObject]:
    """The path and request that an `/api/generate` request asks for: raw text, or a chat."""
    prompt = request.get("prompt")
    if not isinstance(prompt, str):
        raise _bad("prompt", "must be text")
    if request.get("raw") is True or request.get("suffix"):
        made = {**_common(request), "prompt": prompt}
        return "/v1/completions", {**made, "suffix": request["suffix"]} if request.get("suffix") else made
    messages = [{"role": "user", "content": _content(prompt, request.get("images"))}]
    system = request.get("system")
    if isinstance(system, str) and system:
        messages.insert(0, {"role": "system", "content": system})
    return "/v1/chat/completions", {**_common(request), "messages": messages}


def embed(request: JsonObject) -> JsonObject:
    """The embeddings request that `/api/embed` (`input`) or `/api/embeddings` (`prompt`) asks for."""
    return {"model": model_name(request), "input": request.get("input", request.get("prompt"))}


def model_name(request: JsonObject) -> str:
    """The model's name; Ollama's clients may add `:latest`."""
    name = request.get("model", request.get("name"))
    if not isinstance(name, str) or not name:
        raise _bad("model", "must name a model")
    return name.removesuffix(":latest")


def keep_alive(request: JsonObject) -> float | None:
    """Seconds that the model shall stay loaded: None when unsaid, negative numbers mean for ever."""
    value = request.get("keep_alive")
    if value is None:
        return None
    found = DURATION.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if found is None or isinstance(value, bool):
        raise _bad("keep_alive", "must be seconds or a duration such as 5m")
    seconds = float(found[1]) * UNITS[found[2]]
    return FOREVER_S if seconds < 0 else min(seconds, FOREVER_S)


def _bad(param: str, complaint: str) -> BadRequest:
    return BadRequest(f"{param} {complaint}", param=param, source="pool", code="invalid_value")


def _common(request: JsonObject) -> JsonObject:
    options = request.get("options") or {}
    if not isinstance(options, dict):
        raise _bad("options", "must be an object")
    stream = request.get("stream", True)
    if not isinstance(stream, bool):
        raise _bad("stream", "must be true or false")
    made: JsonObject = {"model": model_name(request), "stream": stream}
    if stream:
        made["stream_options"] = {"include_usage": True}
    for native, value in options.items():
        if native in BACK and value is not None:
            made[BACK[native]] = value
    if isinstance(made.get("max_tokens"), int) and made["max_tokens"] < 0:
        # Ollama's -1 and -2 mean no bound of its own.
        del made["max_tokens"]
    made |= _thinking(request.get("think"))
    shape = _shape(request.get("format"))
    return {**made, "response_format": shape} if shape else made


def _thinking(wanted: Any) -> JsonObject:
    """Ollama's `think` in the words of OpenAI's wire and of vLLM's chat templates."""
    if wanted is None:
        return {}
    if isinstance(wanted, bool):
        return {"chat_template_kwargs": {"enable_thinking": wanted}}
    if wanted in ("low", "medium", "high"):
        return {"reasoning_effort": wanted}
    raise _bad("think", "must be true, false, low, medium or high")


def _shape(wanted: Any) -> JsonObject | None:
    if wanted in (None, ""):
        return None
    if wanted == "json":
        return {"type": "json_object"}
    if isinstance(wanted, dict):
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted}}
    raise _bad("format", "must be json or a schema")


def _message(message: Any, index: int) -> JsonObject:
    if not isinstance(message, dict):
        raise _bad(f"messages.{index}", "must be an object")
    made: JsonObject = {"role": message.get("role")}
    made["content"] = _content(message.get("content", ""), message.get("images"))
    calls = message.get("tool_calls")
    if calls:
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise _bad(f"messages.{index}.tool_calls", "must be a list of objects")
        made["tool_calls"] = [_call(call, place) for place, call in enumerate(calls)]
    if isinstance(message.get("thinking"), str) and message["thinking"]:
        made["reasoning_content"] = message["thinking"]
    if message.get("role") == "tool":
        made["tool_call_id"] = str(message.get("tool_call_id") or message.get("tool_name") or "call_0")
    return made


def _content(text: Any, images: Any) -> Any:
    if not images:
        return text
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise _bad("images", "must be a list of base64 texts")
    links = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}} for image in images
    ]
    return [{"type": "text", "text": text}, *links]


def _call(call: JsonObject, place: int) -> JsonObject:
    function = call.get("function") if isinstance(call.get("function"), dict) else {}
    assert isinstance(function, dict)
    arguments = orjson.dumps(function.get("arguments") or {}).decode()
    made = {"name": function.get("name", ""), "arguments": arguments}
    return {"id": call.get("id") or f"call_{place}", "type": "function", "function": made}
