"""`capibara6 ask`: one question through the agent API, shown with its citations, route and timings."""

import base64
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from servers.commands.messages import message
from tools.clients.api import open_api
from tools.clients.speech import open_speech
from tools.errors import EmptyQuestion
from tools.schema import Answer, JsonObject, SpeechRequest
from tools.settings import Language, Settings
from tools.text.language import detect


async def ask(
    settings: Settings,
    question: str,
    *,
    console: Console,
    agent: str = "capibara6",
    metadata: dict[str, str] | None = None,
) -> Answer:
    """Ask, print the tokens as they arrive, then the sources. Raises `tools.errors`."""
    _require_question(question)
    console.print(f"[bold]» {escape(question)}[/]")
    last: JsonObject = {}
    messages = [{"role": "user", "content": question}]
    async with open_api(settings) as api:
        async for event in api.stream(messages, agent=agent, metadata=metadata):
            if event["event"] == "token":
                console.print(event["text"], end="", markup=False, highlight=False, soft_wrap=True)
            last = event
    answer = Answer.model_validate(last["answer"])
    print_answer(answer, console, settings.language)
    return answer


async def fetch_answer(
    settings: Settings, question: str, *, agent: str = "capibara6", metadata: dict[str, str] | None = None
) -> Answer:
    """Ask and return the whole answer, printing nothing. Raises `tools.errors`."""
    _require_question(question)
    async with open_api(settings) as api:
        return await api.ask(question, agent=agent, metadata=metadata)


async def speak(settings: Settings, answer: Answer, path: Path) -> str:
    """Write the answer to `path` as speech (WAV), in its own language; returns the message that says so."""
    language: Language = detect(answer.answer, default="es")
    async with open_speech(settings) as client:
        speech = await client.speak(SpeechRequest(text=answer.answer, language=language))
    path.write_bytes(base64.b64decode(speech.audio))
    return message("wrote", settings.language, path=path, seconds=speech.duration_s, voice=speech.voice)


def _require_question(question: str) -> None:
    if not question.strip():
        raise EmptyQuestion("the question is empty", param="question")


def print_answer(answer: Answer, console: Console, language: Language) -> None:
    """Print the sources, who answered and why, and the milliseconds of each stage."""
    console.print()
    if answer.citations:
        console.print(f"\n[bold]{message('sources', language)}[/]")
    for citation in answer.citations:
        console.print(f"  \\[{citation.n}] {escape(citation.title)} · [dim]{escape(citation.source)}[/]")
        console.print(Padding(f"[dim italic]{escape(shorten(citation.text))}[/]", (0, 0, 0, 6)))
    who = message("answered_by", language, agent=answer.agent, model=answer.model)
    why = f", {message('because', language, why='; '.join(answer.route.reasons))}" if answer.route else ""
    times = " · ".join(f"{stage} {ms:.0f} ms" for stage, ms in answer.timings_ms.items())
    console.print(f"\n[dim]{escape(who + why)}\n{times}[/]")


def shorten(text: str, length: int = 240) -> str:
    """The text on one line, cut after `length` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"
