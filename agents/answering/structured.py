"""An answer in the shape that its caller asked for: written by the engine under the schema, checked, repaired
once, and told when it is right. Citation marks are taken out of its texts; the passages they name are kept.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langgraph.runtime import Runtime

from agents.answering.display import known_texts
from agents.answering.json_schema import Shape
from agents.answering.model import QUOTING, complete
from agents.answering.quoted_fields import quote_fields
from agents.answering.sanitizer import Sanitizer, links_in, tags_in
from agents.answering.streaming import AnswerRequest, ShownReply, options_of
from agents.context import Context
from agents.events import Progress, Token
from agents.grounding.citations import MARK, used
from tools.errors import UpstreamFailed
from tools.schema import Citation, JsonObject, Language

WANTED: dict[Language, str] = {
    "es": "Responde solo con un objeto JSON, sin nada alrededor, que cumpla este JSON Schema:\n{schema}",
    "en": "Answer with one JSON object alone, nothing around it, that meets this JSON Schema:\n{schema}",
}
REPAIR: dict[Language, str] = {
    "es": "Eso no cumple el esquema: {wrong}. Escribe el objeto JSON entero otra vez, corregido.",
    "en": "That does not meet the schema: {wrong}. Write the whole JSON object again, mended.",
}


@dataclass
class StructuredReply(ShownReply):
    """`cited` are the numbers of the passages that it rests on."""

    cited: list[int] = field(default_factory=list[int])


async def stream_structured(
    shape: Shape, request: AnswerRequest, runtime: Runtime[Context]
) -> StructuredReply:
    """The model's reply once it is right; calls that it makes first are not checked.

    Raises UpstreamFailed when it is wrong twice, BadRequest when only quotes could fill it and do not."""
    pool = runtime.context.clients.pool
    if request.model == QUOTING:
        said, cited = await quote_fields(shape, request, pool)
        return _told(StructuredReply(text=said, model=QUOTING, cited=cited), runtime)
    wanted = WANTED[request.language].format(schema=json.dumps(shape.schema, ensure_ascii=False))
    head, *rest = request.prompt
    prompt = [{**head, "content": f"{head['content']}\n\n{wanted}"}, *rest]
    options = {**options_of(request, runtime.context), "response_format": shape.wire}
    usage, wrong = dict[str, int](), ""
    for attempt in range(2):
        reply = await complete(pool, prompt, model=request.model, **options)
        usage = {key: usage.get(key, 0) + count for key, count in reply.usage.items()}
        found = StructuredReply(**{**vars(reply), "usage": usage})
        if reply.calls or reply.finish == "length":
            return found if reply.calls else _told(found, runtime)
        value, wrong = shape.read(reply.text)
        if not wrong:
            shown = _shown(value, reply.text, request, found)
            _, wrong = shape.read(shown)
            if not wrong:
                return _told(replace(found, text=shown), runtime)
        if attempt == 0:
            runtime.stream_writer(Progress(stage="repair", detail={"wrong": wrong}))
            again = REPAIR[request.language].format(wrong=wrong)
            prompt += [{"role": "assistant", "content": reply.text}, {"role": "user", "content": again}]
    raise UpstreamFailed(
        f"{request.model} wrote twice what does not meet the schema: {wrong}",
        param="response_format",
        source="pool",
        code="schema_not_met",
    )


def _told(reply: StructuredReply, runtime: Runtime[Context]) -> StructuredReply:
    runtime.stream_writer(Token(text=reply.text))
    return reply


def _shown(value: Any, written: str, request: AnswerRequest, reply: StructuredReply) -> str:
    """The answer with its texts as they may be shown; as it was written where nothing had to go."""
    numbers = {source.n for source in request.sources}
    known = known_texts([*request.prompt, *request.known], request.sources)
    links, tags = links_in(known), tags_in(known)

    def clean(text: str) -> str:
        reply.cited += [n for n in used(text) if n in numbers and n not in reply.cited]
        sanitizer = Sanitizer(numbers, links, tags)
        safe = sanitizer.feed(text) + sanitizer.end()
        return MARK.sub("", safe).strip() if used(safe) else safe

    cleaned = _mapped(value, clean)
    return written.strip() if cleaned == value else json.dumps(cleaned, ensure_ascii=False)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return value


def cited_sources(reply: StructuredReply, sources: Sequence[Citation]) -> list[JsonObject]:
    """The passages that a reply rests on, as a turn keeps them."""
    return [source.model_dump() for source in sources if source.n in reply.cited]
