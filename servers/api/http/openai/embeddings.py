"""OpenAI's embeddings: by one of the bridge's embedders, or by a model of the pool, carried untouched."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import Response as RawResponse
from pydantic import Field

from servers.api.http.dependencies import ServicesDep
from servers.api.http.openai import models
from servers.api.http.openai.fields import OpenAIObject, tell_ignored
from servers.api.http.openai.passthrough import JSON, CarriedResponse
from tools.errors import BadRequest, ModelNotFound

router = APIRouter(tags=["openai"])
MOST_TEXTS = 2_048
Input = Annotated[str, Field(max_length=2_000_000)]
TokenIds = Annotated[list[int], Field(max_length=1_000_000)]


class EmbeddingsRequest(OpenAIObject):
    """OpenAI's request. Token ids are the pool's models' to read; embedders take texts."""

    without_effect = frozenset({"user"})

    model: Annotated[str, Field(min_length=1, max_length=256)]
    input: (
        Input
        | Annotated[list[Input], Field(min_length=1, max_length=MOST_TEXTS)]
        | TokenIds
        | Annotated[list[TokenIds], Field(max_length=MOST_TEXTS)]
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None


@router.post("/v1/embeddings")
async def embeddings(body: EmbeddingsRequest, request: Request, services: ServicesDep) -> Response:
    """Vectors of unit length, by an embedder that `/v1/models` lists or by one of the pool's models."""
    clients = services.clients
    if body.model not in {one["id"] for one in await models.embedders(clients)}:
        try:
            await clients.pool.model(body.model)
        except ModelNotFound:
            await models.raise_unknown(clients, body.model)
        return CarriedResponse(clients.pool.http, "/v1/embeddings", await request.body(), JSON)
    texts = [body.input] if isinstance(body.input, str) else body.input
    if not all(isinstance(text, str) for text in texts):
        why = f"{body.model} takes texts, not token ids: another tokenizer made them"
        raise BadRequest(f"input: {why}", param="input", source="api", code="unsupported_parameter")
    asked = body.model_dump(include={"model", "input", "encoding_format", "dimensions"}, exclude_none=True)
    answer = await clients.bridge.http.send("POST", "/api/v1/embeddings", json=asked, timeout=60.0)
    return tell_ignored(RawResponse(answer.content, media_type="application/json"), body.ignored)
