"""What a model is for, and which of OpenAI's paths that serves. Plain data, and the refusal of a misfit."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from tools.errors import BadRequest

Kind: TypeAlias = Literal["chat", "embedding", "rerank", "transcription", "speech"]
Ability: TypeAlias = Literal["images", "audio", "video", "tools", "schema", "thinking"]
"""What a chat model can read or do besides text."""

PATHS: Mapping[Kind, tuple[str, ...]] = {
    "chat": (
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/messages/count_tokens",
    ),
    "embedding": ("/v1/embeddings",),
    "rerank": ("/v1/rerank", "/rerank", "/v2/rerank", "/v1/score", "/score"),
    "transcription": ("/v1/audio/transcriptions", "/v1/audio/translations"),
    "speech": ("/v1/audio/speech",),
}
"""The paths of each kind, the usual one first."""
DOES: Mapping[Kind, str] = {
    "chat": "generate text",
    "embedding": "embed",
    "rerank": "rerank",
    "transcription": "transcribe",
    "speech": "speak",
}
_KIND_OF: Mapping[str, Kind] = {path: kind for kind, paths in PATHS.items() for path in paths}


def misfit(name: str, kind: Kind, path: str) -> BadRequest | None:
    """The refusal of a request on `path` for the model `name` of another kind; None where they fit, or where
    the path (a tokenizer's) is for every kind."""
    wanted = _KIND_OF.get(path)
    scores = wanted == "rerank" and kind == "embedding"  # vLLM scores texts by their vectors too
    if wanted is None or wanted == kind or scores:
        return None
    return BadRequest(
        f"{name} does not {DOES[wanted]}; it is a {kind} model: ask it on {PATHS[kind][0]}",
        param="model",
        source="pool",
        code="wrong_model",
    )
