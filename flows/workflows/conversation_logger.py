"""Flow `conversation_logger`: keeps a conversation as a document that can be searched, secrets removed."""

from typing import Annotated

from prefect import flow, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel, Field

from flows.operations import letters
from flows.operations.messages import say
from flows.operations.retry import LONG_RETRY
from tools.clients.bridge import open_bridge
from tools.log import redact
from tools.schema import CollectionName, Document, Identifier, IngestReport, JsonObject
from tools.settings import Language, Settings, load_settings
from tools.text.email_address import EMAIL
from tools.text.language import detect

ROLE_NAMES = {"user": ("Usuario", "User"), "assistant": ("Asistente", "Assistant")}


class Message(BaseModel):
    """One turn of the conversation; `role` is OpenAI's (`user`, `assistant`, `system`)."""

    role: Annotated[str, Field(max_length=32)]
    content: Annotated[str, Field(max_length=100_000)]


@flow(name="conversation_logger", flow_run_name="conversation_logger-{thread_id}")
async def conversation_logger(
    thread_id: Identifier,
    messages: Annotated[list[Message], Field(min_length=1, max_length=1_000)],
    title: Annotated[str, Field(max_length=300)] = "",
    metadata: JsonObject | None = None,
    collection: CollectionName = "conversations",
    email: Annotated[str, Field(max_length=320, pattern=EMAIL)] | None = None,
    language: Language | None = None,
    consent: bool = False,
) -> State[str]:
    """Guarda una conversación sin sus secretos. · Keep a conversation without its secrets.

    Args:
        thread_id: the conversation; the same id replaces what was kept before.
        messages: `{role, content}` in order.
        title: by default, the first question.
        metadata: kept with it.
        collection: where conversations are kept, apart from the knowledge.
        email: where a copy of it is sent, with `consent`.
        language: of that letter; by default that of the first question.
        consent: whether they agreed to be written to; without it no letter is sent.
    """
    settings = load_settings()
    turns = [Message.model_validate(message) for message in messages]
    text = transcript(turns, settings.language)
    whose = {"email": email.lower()} if email and consent else {}  # by which they may have it erased
    name = title or _without_secrets(turns[0].content)[:80]
    document = _document(thread_id, name, text, {**(metadata or {}), **whose})
    report = await store(settings, document, collection)
    await acreate_markdown_artifact(text, key="conversation")
    if email and consent:
        chosen = language or detect(turns[0].content, default=settings.language)
        values = {"title": title, "transcript": transcript(turns, chosen)}
        await letters.send(
            settings, letters.write("conversation", thread_id, email.lower(), chosen, **values)
        )
    key = "kept" if report.accepted else "known"
    return Completed(message=say(key, settings.language, name=thread_id), data=thread_id)


def _document(thread_id: str, title: str, text: str, metadata: JsonObject) -> Document:
    kept = redact(None, "", metadata)
    return Document(id=thread_id, title=title, text=text, source="conversation_logger", metadata=kept)


def transcript(messages: list[Message], language: Language) -> str:
    """Markdown, one heading a turn; what looks like a secret is `***`. System prompts stay out. Pure."""
    turns = [
        f"## {ROLE_NAMES.get(message.role, (message.role, message.role))[0 if language == 'es' else 1]}\n\n"
        f"{_without_secrets(message.content)}"
        for message in messages
        if message.role != "system" and message.content.strip()
    ]
    return "\n\n".join(turns)


@task(task_run_name="store", cache_policy=NO_CACHE, **LONG_RETRY)
async def store(settings: Settings, document: Document, collection: str) -> IngestReport:
    """Write the conversation; it may be sent again."""
    async with open_bridge(settings) as bridge:
        return await bridge.ingest([document], collection=collection)


def _without_secrets(text: str) -> str:
    return str(redact(None, "", {"text": text})["text"])
