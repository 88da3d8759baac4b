"""Asks the agent through the API and shows its answer as it grows, with its sources; reads it aloud."""

import time
from collections.abc import AsyncIterator
from typing import Any

from tools.clients.api import open_api
from tools.clients.speech import open_speech
from tools.error_messages import sentence
from tools.errors import Capibara6Error, EmptyQuestion, TooLarge
from tools.schema import Answer, Citation, Language, SpeechRequest
from tools.settings import Settings
from tools.text.language import detect
from ui.messages import say
from ui.render import answer_html, done_html, error_html

TURNS = 12
REFRESH_S = 0.06
SPOKEN_CHARS = 4_000
Turns = list[dict[str, str]]


async def answer(
    settings: Settings, question: str, turns: Turns, language: Language
) -> AsyncIterator[tuple[str, Turns]]:
    """The answer's HTML as it grows, with the conversation so far; the last pair holds the whole answer.

    A failure is the last HTML; the question that failed stays out of the conversation.
    """
    try:
        _check(question, settings.limits.question_chars)
        messages = [*turns[-TURNS:], {"role": "user", "content": question}]
        async for html, text in _stream(settings, messages, language):
            said = [*messages, {"role": "assistant", "content": text}] if text else turns
            yield html, said
    except Capibara6Error as exc:
        yield error_html(sentence(exc.code, language), _detail(exc)), turns


async def read_aloud(settings: Settings, turns: Turns, language: Language) -> str:
    """An HTML player with the last answer, spoken in the answer's own language."""
    text = next((turn["content"] for turn in reversed(turns) if turn["role"] == "assistant"), "")
    if not text:
        return error_html(say("nothing_to_hear", language))
    text = text[:SPOKEN_CHARS]
    try:
        async with open_speech(settings) as client:
            speech = await client.speak(SpeechRequest(text=text, language=detect(text)))
    except Capibara6Error as exc:
        return error_html(sentence(exc.code, language), _detail(exc))
    source = f"data:audio/wav;base64,{speech.audio}"
    return f'<audio class="player" controls autoplay src="{source}"></audio>'


async def _stream(settings: Settings, messages: Turns, language: Language) -> AsyncIterator[tuple[str, str]]:
    """`(html, "")` while it grows, `(html, text)` once it is whole."""
    grown = _Growing(language)
    shown = 0.0
    yield grown.html(), ""
    async with open_api(settings) as api:
        async for event in api.stream([dict(message) for message in messages]):
            if event["event"] == "done":
                whole = Answer.model_validate(event["answer"])
                yield done_html(whole, language), whole.answer
                return
            grown.take(event)
            if event["event"] != "token" or time.monotonic() - shown > REFRESH_S:
                shown = time.monotonic()
                yield grown.html(), ""


class _Growing:
    """What is known of an answer before it is whole."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.text = ""
        self.citations: list[Citation] = []
        self.status = say("starting", language)

    def take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "token":
                self.text += event["text"]
                self.status = ""
            case "routed":
                self.status = say("routed", self.language, model=event["route"]["model"])
            case "retrieved":
                self.citations = [Citation.model_validate(found) for found in event["citations"]]
                self.status = self._reading(len(self.citations))

    def html(self) -> str:
        return answer_html(self.text, self.citations, self.language, status=self.status)

    def _reading(self, count: int) -> str:
        key = {0: "none_retrieved", 1: "one_retrieved"}.get(count, "retrieved")
        return say(key, self.language, count=count)


def _check(question: str, limit: int) -> None:
    if not question.strip():
        raise EmptyQuestion("the question is empty", param="question", source="ui")
    if len(question) > limit:
        raise TooLarge(f"the question may have {limit} characters", param="question", source="ui")


def _detail(exc: Capibara6Error) -> str:
    return f"{exc.source or 'ui'}: {exc.code}"
