"""OpenAI's requests in Ollama's words and back. Pure."""

from typing import Any

import orjson

from tools.errors import BadRequest
from tools.schema import JsonObject
from tools.text.content import content_text

OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repetition_penalty": "repeat_penalty",
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "num_ctx": "num_ctx",
}
"""OpenAI's name → Ollama's option; `num_ctx` has none, and is Ollama's clients' own."""
ONE = ("n", "best_of")
NONE = ("logprobs", "top_logprobs", "prompt_logprobs", "logit_bias", "echo")
"""What Ollama has nothing for: more than one of the first, any of the second."""
TEXTS = ("text", "input_text", "refusal")
"""Types of content parts that are text."""


def to_native(path: str, request: JsonObject, tag: str) -> tuple[str, JsonObject]:
    """The native path and body for one of OpenAI's requests.

    Raises BadRequest that names a field which Ollama would ignore, where the answer would be another one.
    """
    _refuse(request)
    if path == "/v1/embeddings":
        return "/api/embed", {"model": tag, "input": request["input"]}
    options = {
        OPTIONS[name]: value for name, value in request.items() if name in OPTIONS and value is not None
    }
    native: JsonObject = {"model": tag, "stream": bool(request.get("stream")), "options": options}
    shape = _format(request.get("response_format"))
    if shape is not None:
        native["format"] = shape
    if path == "/v1/completions":
        native["prompt"] = _prompt(request["prompt"])
        if request.get("suffix"):
            native["suffix"] = request["suffix"]
        return "/api/generate", native
    native["messages"] = [_message(message) for message in request["messages"]]
    if request.get("tools") and request.get("tool_choice") != "none":
        native["tools"] = request["tools"]
    think = _think(request)
    if think is not None:
        native["think"] = think
    return "/api/chat", native


def _refuse(request: JsonObject) -> None:
    for name in ONE:
        if request.get(name) not in (None, 1):
            raise unsupported(name, "Ollama gives one answer at a time")
    for name in NONE:
        if request.get(name):
            raise unsupported(name, "Ollama has none")
    if request.get("tools") and request.get("tool_choice") not in (None, "auto", "none"):
        raise unsupported("tool_choice", "Ollama's models choose themselves: auto or none")


def unsupported(name: str, why: str) -> BadRequest:
    """The refusal of a field that this engine can not obey."""
    return BadRequest(f"{name}: {why}", param=name, source="pool", code="unsupported_parameter")


def _prompt(prompt: Any) -> str:
    texts = prompt if isinstance(prompt, list) else [prompt]
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise unsupported("prompt", "Ollama takes one text")
    return texts[0]


def _think(request: JsonObject) -> bool | str | None:
    """Ollama's `think`: a level, or whether at all; None leaves it to the model."""
    effort, template = request.get("reasoning_effort"), request.get("chat_template_kwargs")
    if isinstance(effort, str):
        return False if effort == "none" else {"minimal": "low"}.get(effort, effort)
    wanted = template.get("enable_thinking") if isinstance(template, dict) else None
    return wanted if isinstance(wanted, bool) else None


def _format(response_format: JsonObject | None) -> Any:
    match (response_format or {}).get("type"):
        case "json_object":
            return "json"
        case "json_schema":
            return ((response_format or {}).get("json_schema") or {}).get("schema", "json")
        case _:
            return None


def _message(message: JsonObject) -> JsonObject:
    role = "system" if message["role"] == "developer" else message["role"]
    native: JsonObject = {"role": role, "content": content_text(message.get("content"))}
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought:
        native["thinking"] = thought
    images = _images(message.get("content"))
    if images:
        native["images"] = images
    if message.get("tool_calls"):
        native["tool_calls"] = [_call(call) for call in message["tool_calls"] if isinstance(call, dict)]
    return native


def _images(content: Any) -> list[str]:
    """Base64 of the images in a message's parts; Ollama takes no links, and no media of other kinds."""
    found: list[str] = []
    for part in content if isinstance(content, list) else []:
        if part["type"] in TEXTS:
            continue
        if part["type"] not in ("image_url", "input_image"):
            raise unsupported("messages", f"Ollama takes no content of the type {part['type'][:40]}")
        link = part.get("image_url")
        url = link.get("url") if isinstance(link, dict) else link
        if not isinstance(url, str) or not url.startswith("data:") or "base64," not in url:
            raise unsupported("messages", "Ollama takes images as data: addresses in base64, no links")
        found.append(url.partition("base64,")[2])
    return found


def _call(call: JsonObject) -> JsonObject:
    function = call.get("function") or {}
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except ValueError:
            arguments = {}
    return {"function": {"name": function.get("name", ""), "arguments": arguments}}
