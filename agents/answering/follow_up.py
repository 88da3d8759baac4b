"""A follow-up as a question that stands alone: by the model that the settings name (`agents.rewriter`), else
by rules."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from langgraph.runtime import Runtime

from agents.answering.model import complete
from agents.context import Context
from agents.conversation.rewriting import Rewritten, rewrite
from agents.conversation.state import Message, text_of
from agents.events import Progress
from tools.errors import BadRequest, NotFound, Unavailable, UpstreamFailed, UpstreamSilent
from tools.log import get_logger
from tools.schema import Language
from tools.text.language import detect

REWRITE: dict[Language, str] = {
    "es": "Escribe la última pregunta del usuario de modo que se entienda sin la conversación. "
    "Escribe solo la pregunta, en su idioma. No la respondas.",
    "en": "Write the user's last question so that it can be understood without the conversation. "
    "Write the question alone, in its language. Do not answer it.",
}
DEADLINE_S = 10.0
LAST_MESSAGES = 6
LONGEST = 400
"""Characters of a question that a model wrote; a longer text is none."""
BY_RULE = ("language", "instruction")
"""Kinds that the rules know for certain: a model would only answer the question before again."""

log = get_logger("agents.follow_up")


async def standing_alone(question: str, earlier: Sequence[Message], runtime: Runtime[Context]) -> Rewritten:
    """The question that the last message stands for, told as `Progress` when it is another one."""
    alone, by = rewrite(question, earlier), "rules"
    model = runtime.context.limits.rewriter
    if earlier and model is not None and alone.kind not in BY_RULE:
        written = await _written(question, earlier, model, runtime)
        if written:
            alone, by = replace(alone, question=written, query=written), "model"
    if alone.question != question.strip():
        detail = {"question": alone.question, "query": alone.query, "kind": alone.kind, "by": by}
        runtime.stream_writer(Progress(stage="rewritten", detail=detail))
    return alone


async def _written(question: str, earlier: Sequence[Message], model: str, runtime: Runtime[Context]) -> str:
    """The model's wording; empty where it gives none in time, and the rules' stands."""
    language = detect(question, default="es")
    talk = "\n".join(f"{message['role']}: {text_of(message)}" for message in earlier[-LAST_MESSAGES:])
    asked: list[Message] = [
        {"role": "system", "content": REWRITE[language]},
        {"role": "user", "content": f"{talk}\nuser: {question}"},
    ]
    try:
        async with asyncio.timeout(DEADLINE_S):
            reply = await complete(
                runtime.context.clients.pool, asked, model=model, max_tokens=128, temperature=0
            )
    except (TimeoutError, BadRequest, NotFound, Unavailable, UpstreamFailed, UpstreamSilent) as exc:
        log.warning("not_rewritten", model=model, reason=str(exc) or "deadline")
        return ""
    text = reply.text.strip().strip('"')
    return text if text and "\n" not in text and len(text) <= LONGEST else ""
