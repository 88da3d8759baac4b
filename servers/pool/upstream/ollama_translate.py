"""OpenAI's requests in Ollama's words and back. Pure."""

from typing import Any

import orjson

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
}
"""OpenAI's name → Ollama's option."""


def to_native(path: str, request: JsonObject, tag: str) -> tuple[str, JsonObject]:
    """The native path and body for one of OpenAI's requests."""
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
        prompt = request["prompt"]
        native["prompt"] = prompt if isinstance(prompt, str) else "\n".join(map(str, prompt))
        return "/api/generate", native
    native["messages"] = [_message(message) for message in request["messages"]]
    if request.get("tools"):
        native["tools"] = request["tools"]
    return "/api/chat", native


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
    images = _images(message.get("content"))
    if images:
        native["images"] = images
    if message.get("tool_calls"):
        native["tool_calls"] = [_call(call) for call in message["tool_calls"] if isinstance(call, dict)]
    return native


def _images(content: Any) -> list[str]:
    """Base64 of the images in a message's parts; Ollama takes no links."""
    if not isinstance(content, list):
        return []
    links = [part.get("image_url") for part in content if isinstance(part, dict)]
    urls = [link.get("url") for link in links if isinstance(link, dict)]
    return [url.partition("base64,")[2] for url in urls if isinstance(url, str) and url.startswith("data:")]


def _call(call: JsonObject) -> JsonObject:
    function = call.get("function") or {}
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except ValueError:
            arguments = {}
    return {"function": {"name": function.get("name", ""), "arguments": arguments}}
