"""Toolset `agents`: ask one, list them and the models, explain a route, follow a run."""

from contextlib import aclosing
from typing import Annotated, Any

from pydantic import BaseModel, Field

from servers.mcp.toolbox import Arguments, Call, Tool
from tools.errors import BadRequest, NotFound
from tools.schema import CollectionName, Identifier, JsonObject, Language

DEFAULT_AGENT = "capibara6"
STEPS = {
    "routed": "routed / elegido el modelo",
    "retrieved": "searched / buscado",
    "tool_started": "calling a tool / llamando a una herramienta",
    "tool_finished": "tool answered / ha contestado",
}
"""Events of a run that tell its caller how far it is."""


class Source(BaseModel):
    """What an answer cites as [n]."""

    n: int
    title: str
    source: str
    document_id: str
    text: str


class Answered(BaseModel):
    """An answer and its sources. `interrupted` is what a person must decide before the run goes on."""

    answer: str
    citations: list[Source] = []
    model: str = ""
    agent: str = ""
    support: float | None = None
    thread: str | None = None
    notes: list[str] = []
    degraded: list[str] = []
    interrupted: Any = None


class Asking(Arguments):
    question: str = Field(min_length=1, max_length=32_000, description="La pregunta / the question")
    agent: str = Field(default=DEFAULT_AGENT, max_length=256, description="From list_models")
    collection: CollectionName | None = None
    language: Language | None = Field(default=None, description="Of the answer")


class AskingInThread(Asking):
    thread: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")] | None = Field(
        default=None, description="A conversation to go on with"
    )


class Model(BaseModel):
    """A model or agent; when it is not available, `reason` says why."""

    id: str
    description: str = ""
    domain: str | None = None
    available: bool = True
    reason: str | None = None


class Models(BaseModel):
    """Every agent and model; `degraded` names the services that did not say what they have."""

    models: list[Model]
    degraded: list[str] = []


class Nothing(Arguments):
    pass


class Routing(Arguments):
    question: str = Field(min_length=1, max_length=32_000)


class Routed(BaseModel):
    """Which model `auto` would choose, and why."""

    model: str
    reasons: list[str]
    wanted: str = ""
    confidence: float = 0.0
    difficulty: float | None = None
    alternatives: list[str] = []
    ready: bool = True


class Following(Arguments):
    id: Identifier = Field(description="From ingest")


class Status(BaseModel):
    """How far a job (`kind` job) or a flow's run (`kind` run) is."""

    state: str
    id: str = ""
    kind: str = ""
    total: int | None = None
    done: int | None = None
    failed: list[JsonObject] = []
    message: str = ""


async def ask_agent(given: Asking, call: Call) -> Answered:
    """Ask an agent; it searches the documents and cites them [n]. Responde con citas (es, en)."""
    thread = given.thread if isinstance(given, AskingInThread) else None
    wishes = {"collection": given.collection, "language": given.language, "thread_id": thread}
    metadata = {name: value for name, value in wishes.items() if value}
    messages = [{"role": "user", "content": given.question}]
    await _check_agent(given.agent, call)
    asked = call.clients.api.stream(messages, agent=given.agent, metadata=metadata)
    async with aclosing(asked) as events:
        async for event in events:
            match event["event"]:
                case "done":
                    return _answered(event["answer"])
                case "interrupted":
                    return Answered(answer="", thread=thread, interrupted=event["request"])
                case kind if kind in STEPS:
                    await call.progress(STEPS[kind])
                case _:
                    pass
    raise AssertionError("a stream that ends without an answer raises")


async def list_models(_: Nothing, call: Call) -> Models:
    """List agents and models, and which can serve now. Lista los modelos."""
    found = await call.clients.api.http.json("GET", "/v1/models")
    models = [Model.model_validate(model) for model in found["data"]]
    return Models(models=models, degraded=found.get("degraded", []))


async def explain_route(given: Routing, call: Call) -> Routed:
    """Which model would answer, and why; generates nothing. Explica la elección."""
    route = await call.clients.pool.route([{"role": "user", "content": given.question}])
    return Routed.model_validate(route.model_dump(include=set(Routed.model_fields)))


async def run_status(given: Following, call: Call) -> Status:
    """How far an ingestion or a flow's run is. Estado de una ingesta."""
    try:
        job = await call.clients.bridge.job(given.id)
    except NotFound:
        return await _run_status(given.id, call)
    return Status(
        id=job["id"],
        kind="job",
        state=job["state"],
        total=job["total"],
        done=job["done"],
        failed=[dict(one) for one in job["failed"][:20]],
        message=job["reason"],
    )


async def _check_agent(name: str, call: Call) -> None:
    """A model of the pool's answers without documents, citations or events: it is no agent."""
    if name == DEFAULT_AGENT:
        return
    known = (await list_models(Nothing(), call)).models
    agents = [model.id for model in known if model.domain == "agent"]
    if name not in agents:
        raise NotFound(f"there is no agent {name}; there are: {', '.join(agents)}", param="agent")


async def _run_status(run_id: str, call: Call) -> Status:
    try:
        run = await call.clients.api.http.json("GET", f"/api/runs/{run_id.replace('/', '')}")
    except BadRequest as exc:  # it has not the form of a run's id
        raise NotFound(f"there is no run {run_id}", param="id", source="mcp") from exc
    return Status(id=run["id"], kind="run", state=run["state"], message=run.get("message") or "")


def _answered(answer: JsonObject) -> Answered:
    fields = set(Answered.model_fields) - {"thread", "interrupted", "citations"}
    return Answered(
        **{name: value for name, value in answer.items() if name in fields},
        citations=[Source.model_validate(one) for one in answer.get("citations", [])],
        thread=answer.get("thread_id"),
    )


TOOLS = (
    Tool(ask_agent, Asking, "Ask / Preguntar", "agents", answers=Answered, writing=AskingInThread),
    Tool(list_models, Nothing, "Models / Modelos", "agents", answers=Models),
    Tool(explain_route, Routing, "Route / Ruta", "agents", answers=Routed),
    Tool(run_status, Following, "Status / Estado", "agents", answers=Status),
)
