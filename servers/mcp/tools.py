"""The MCP tools: typed, read-only, described for a model; each asks a service over HTTP."""

import base64
from typing import Annotated, Any

from mcp.server.mcpserver import Audio, Context, MCPServer
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from servers.mcp.clients import Clients, tool_errors
from tools.schema import Answer, CollectionName, Language, SearchRequest, SpeechRequest

Caller = Context[Clients, Any]
Question = Annotated[
    str,
    Field(min_length=1, max_length=32_000, description="The question, in Spanish or English / la pregunta"),
]
Query = Annotated[
    str,
    Field(
        min_length=1, max_length=32_000, description="What to look for, in Spanish or English / qué buscar"
    ),
]


class Passage(BaseModel):
    """A passage of a document; cite it as [n]."""

    n: int = Field(ge=1)
    title: str
    source: str
    document_id: str
    text: str
    score: float = Field(ge=0, le=1, description="1 is the best match")


class SearchResult(BaseModel):
    """Best passage first; `degraded` names the retrievers that did not answer."""

    passages: list[Passage]
    degraded: list[str] = []


class Model(BaseModel):
    """A model or agent; when it is not available, `reason` says why."""

    id: str
    description: str = ""
    domain: str | None = None
    available: bool = True
    reason: str | None = None


class Models(BaseModel):
    """Every agent and model."""

    models: list[Model]


def add_tools(server: MCPServer[Clients]) -> None:
    """Register every tool with its title and hints."""
    for function, title, repeatable in (
        (search_knowledge, "Search the knowledge base / Buscar en el conocimiento", True),
        (ask_agent, "Ask the agent / Preguntar al agente", False),
        (list_models, "List models and agents / Listar modelos y agentes", True),
    ):
        server.tool(title=title, annotations=_hints(repeatable), structured_output=True)(function)
    server.tool(title="Speak / Leer en voz alta", annotations=_hints(True), structured_output=False)(speak)


async def search_knowledge(
    query: Query,
    ctx: Caller,
    top_k: Annotated[int, Field(ge=1, le=20, description="How many passages")] = 5,
    collection: Annotated[
        CollectionName | None, Field(description="Which collection; leave out for the default one")
    ] = None,
) -> SearchResult:
    """Search the documents that this platform was given and get the passages that match best.

    Use it when you want to read the sources yourself. Busca en los documentos (español o inglés).
    """
    clients = _clients(ctx)
    request = SearchRequest(
        query=query, top_k=top_k, collection=collection or clients.settings.chat.collection
    )
    with tool_errors():
        response = await clients.bridge.search(request)
    passages = [
        Passage(n=n, **hit.model_dump(include=set(Passage.model_fields)))
        for n, hit in enumerate(response.results, 1)
    ]
    return SearchResult(passages=passages, degraded=response.degraded)


async def ask_agent(
    question: Question,
    ctx: Caller,
    language: Annotated[
        Language | None, Field(description="Language of the answer; leave out to use the question's")
    ] = None,
) -> Answer:
    """Ask this platform's agent: it searches the documents and answers with numbered citations.

    Use it when you want an answer rather than passages. Responde en español o inglés, con citas.
    """
    with tool_errors():
        return await _clients(ctx).api.ask(question, metadata={"language": language} if language else None)


async def list_models(ctx: Caller) -> Models:
    """List the agents and models of this platform and whether each can serve now. Lista los modelos."""
    with tool_errors():
        found = await _clients(ctx).api.models()
    return Models(models=[Model.model_validate(model) for model in found])


async def speak(
    text: Annotated[str, Field(min_length=1, max_length=2_000, description="What to say / qué decir")],
    ctx: Caller,
    language: Annotated[Language, Field(description="Language of the text / idioma del texto")] = "es",
    voice_id: Annotated[
        str | None, Field(max_length=128, description="A voice; leave out for the default")
    ] = None,
) -> Audio:
    """Read a short text aloud and get a WAV recording. Lee un texto en voz alta (WAV)."""
    with tool_errors():
        request = SpeechRequest(text=text, language=language, voice_id=voice_id)
        speech = await _clients(ctx).speech.speak(request)
    return Audio(data=base64.b64decode(speech.audio), format="wav")


def _clients(ctx: Caller) -> Clients:
    return ctx.request_context.lifespan_context


def _hints(repeatable: bool) -> ToolAnnotations:
    return ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=repeatable, open_world_hint=False
    )
