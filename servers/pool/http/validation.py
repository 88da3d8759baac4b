"""Validation of requests, before any engine sees them. Pure: bytes in, a JSON object out, or BadRequest."""

import json
from collections.abc import Callable
from typing import Any

import orjson

from tools.errors import BadRequest
from tools.schema import JsonObject

MESSAGES = 2_048
PARTS = 256
TOKENS = 1_048_576
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def parse(body: bytes) -> JsonObject:
    """The JSON object in `body`. NaN, bad UTF-8, deep nesting and repeated top-level keys are refused."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise BadRequest(f"the body is not JSON: {exc}", source="pool", code="invalid_json") from exc
    if not isinstance(request, dict):
        raise BadRequest("the body must be a JSON object", source="pool", code="invalid_json")
    if b"\\u00" in body or any(body.count(b'"%b"' % key.encode()) > 1 for key in request):
        _refuse_repeated(body)
    return request


def chat(request: JsonObject) -> JsonObject:
    """Check a chat completion request."""
    _fields(request, CHAT)
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _bad("messages", "must be a list with at least one message")
    if len(messages) > MESSAGES:
        raise _bad("messages", f"may have {MESSAGES} messages")
    parts = 0
    for index, message in enumerate(messages):
        parts += _message(message, index)
    if parts > PARTS:
        raise _bad("messages", f"may have {PARTS} content parts in all")
    return request


def completion(request: JsonObject) -> JsonObject:
    """Check a text completion request."""
    _fields(request, COMPLETION)
    _texts(request.get("prompt"), "prompt")
    return request


def embedding(request: JsonObject) -> JsonObject:
    """Check an embeddings request."""
    _fields(request, EMBEDDING)
    _texts(request.get("input"), "input")
    return request


def responses(request: JsonObject) -> JsonObject:
    """Check a request of OpenAI's Responses; what would have to be kept is refused."""
    _fields(request, RESPONSES)
    for name in KEPT:
        if request.get(name):
            why = f"{name}: this pool keeps no answers, send the whole conversation"
            raise BadRequest(why, param=name, source="pool", code="unsupported_parameter")
    given = request.get("input")
    if not (isinstance(given, str) or (isinstance(given, list) and 0 < len(given) <= MESSAGES)):
        raise _bad("input", f"must be text or a list of 1 to {MESSAGES} items")
    return request


def anthropic(request: JsonObject) -> JsonObject:
    """Check a request of Anthropic's Messages."""
    _fields(request, ANTHROPIC)
    messages = request.get("messages")
    if not isinstance(messages, list) or not 0 < len(messages) <= MESSAGES:
        raise _bad("messages", f"must be a list of 1 to {MESSAGES} messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise _bad(f"messages.{index}.role", "must be user or assistant")
        if not isinstance(message.get("content"), str | list):
            raise _bad(f"messages.{index}.content", "must be text or a list of blocks")
    return request


def rerank(request: JsonObject) -> JsonObject:
    """Check a request to rank documents for a query."""
    _fields(request, RERANK)
    for name in ("query", "documents"):
        _some(request, name)
    return request


def score(request: JsonObject) -> JsonObject:
    """Check a request to score pairs of texts, under any of the names that vLLM has for them."""
    _fields(request, RERANK)
    for one, other in PAIRS:
        if one in request:
            _some(request, one)
            _some(request, other)
            return request
    raise _bad("text_1", "must be the texts to compare with text_2")


def tokens(request: JsonObject) -> JsonObject:
    """Check a request for the text of token ids."""
    _fields(request, {})
    ids = request.get("tokens")
    if (
        not isinstance(ids, list)
        or len(ids) > TOKENS
        or not all(_is_int(one) and 0 <= one < 2**32 for one in ids)
    ):
        raise _bad("tokens", "must be a list of token ids")
    return request


def _some(request: JsonObject, name: str) -> None:
    value = request.get(name)
    if not isinstance(value, str | list | dict) or not 0 < len(value) <= (
        16 * TOKENS if isinstance(value, str) else MESSAGES
    ):
        raise _bad(name, f"must be text or a list of 1 to {MESSAGES} items")


def _message(message: Any, index: int) -> int:
    where = f"messages.{index}"
    if not isinstance(message, dict):
        raise _bad(where, "must be an object")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise _bad(f"{where}.role", f"must be one of {', '.join(sorted(ROLES))}")
    content = message.get("content")
    if content is None or isinstance(content, str):
        if content is None and role in ("system", "developer", "user"):
            raise _bad(f"{where}.content", "is missing")
        return 0
    if not isinstance(content, list):
        raise _bad(f"{where}.content", "must be text or a list of parts")
    if len(content) > PARTS:
        raise _bad(f"{where}.content", f"may have {PARTS} parts")
    for part in content:
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise _bad(f"{where}.content", "each part must be an object with a type")
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise _bad(f"{where}.content", "a text part must have text")
    return len(content)


def _texts(value: Any, name: str) -> None:
    items = value if isinstance(value, list) else [value]
    # OpenAI also takes token ids, flat or in lists.
    tokens = isinstance(value, list) and all(_is_int(item) for item in items)
    if not items or len(items) > (TOKENS if tokens else MESSAGES):
        raise _bad(name, f"must have 1 to {MESSAGES} items")
    if tokens:
        return
    for item in items:
        if not isinstance(item, str) and not (
            isinstance(item, list) and all(_is_int(token) for token in item)
        ):
            raise _bad(name, "must be text, a list of texts, or token ids")


def _fields(request: JsonObject, rules: dict[str, Callable[[Any], str | None]]) -> None:
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise _bad("model", "must name a model")
    for name, value in request.items():
        rule = rules.get(name)
        if rule is not None and value is not None:
            complaint = rule(value)
            if complaint:
                raise _bad(name, complaint)


def _whole(low: int, high: int) -> Callable[[Any], str | None]:
    def rule(value: Any) -> str | None:
        if _is_int(value) and low <= value <= high:
            return None
        return f"must be a whole number from {low} to {high}"

    return rule


def _number(low: float, high: float) -> Callable[[Any], str | None]:
    def rule(value: Any) -> str | None:
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"must be a number from {low} to {high}"

    return rule


def _kind(kind: type, words: str, most: int | None = None) -> Callable[[Any], str | None]:
    def rule(value: Any) -> str | None:
        if not isinstance(value, kind):
            return f"must be {words}"
        if most is not None and len(value) > most:
            return f"may have {most} items"
        return None

    return rule


def _stop(value: Any) -> str | None:
    items = value if isinstance(value, list) else [value]
    if len(items) > 16 or not all(isinstance(item, str) for item in items):
        return "must be text or a list of at most 16 texts"
    return None


def _logprobs(value: Any) -> str | None:
    return None if isinstance(value, bool) else _whole(0, 20)(value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(param: str, complaint: str) -> BadRequest:
    return BadRequest(f"{param} {complaint}", param=param, source="pool", code="invalid_value")


def _refuse_repeated(body: bytes) -> None:
    # Only the outermost object closes last, so the final call decides; two readers may disagree on repeats.
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> JsonObject:
        seen = dict(items)
        repeated[:] = (
            [name for name in seen if sum(1 for key, _ in items if key == name) > 1][:1]
            if (len(seen) < len(items))
            else []
        )
        return seen

    try:
        json.loads(body, object_pairs_hook=pairs)
    except RecursionError as exc:
        raise BadRequest("the body is nested too deeply", source="pool", code="invalid_json") from exc
    if repeated:
        raise BadRequest(f"the key {repeated[0][:100]!r} is repeated", source="pool", code="invalid_json")


_SAMPLING: dict[str, Callable[[Any], str | None]] = {
    "stream": _kind(bool, "true or false"),
    "n": _whole(1, 16),
    "best_of": _whole(1, 16),
    "max_tokens": _whole(1, TOKENS),
    "max_completion_tokens": _whole(1, TOKENS),
    "min_tokens": _whole(0, TOKENS),
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "top_k": _whole(-1, 1_000_000),
    "min_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "repetition_penalty": _number(0, 10),
    "seed": _whole(-(2**63), 2**63 - 1),
    "stop": _stop,
    "stop_token_ids": _kind(list, "a list", 256),
    "logprobs": _logprobs,
    "top_logprobs": _whole(0, 20),
    "prompt_logprobs": _whole(0, 20),
    "logit_bias": _kind(dict, "an object", 1_024),
    "stream_options": _kind(dict, "an object", 16),
    "response_format": _kind(dict, "an object"),
    "user": _kind(str, "text"),
    "metadata": _kind(dict, "an object", 64),
}
CHAT = {
    **_SAMPLING,
    "tools": _kind(list, "a list", 256),
    "parallel_tool_calls": _kind(bool, "true or false"),
}
COMPLETION = {**_SAMPLING, "suffix": _kind(str, "text"), "echo": _kind(bool, "true or false")}
KEPT = ("previous_response_id", "conversation", "background")
PAIRS = (("text_1", "text_2"), ("queries", "documents"), ("queries", "items"), ("data_1", "data_2"))
RESPONSES = {
    **_SAMPLING,
    "max_output_tokens": _whole(1, TOKENS),
    "instructions": _kind(str, "text"),
    "tools": _kind(list, "a list", 256),
    "reasoning": _kind(dict, "an object", 16),
}
ANTHROPIC = {
    **_SAMPLING,
    "stop_sequences": _kind(list, "a list", 16),
    "tools": _kind(list, "a list", 256),
    "thinking": _kind(dict, "an object", 16),
}
RERANK: dict[str, Callable[[Any], str | None]] = {"top_n": _whole(0, MESSAGES), "user": _kind(str, "text")}
EMBEDDING: dict[str, Callable[[Any], str | None]] = {
    "dimensions": _whole(1, 65_536),
    "encoding_format": _kind(str, "float or base64"),
    "user": _kind(str, "text"),
}
