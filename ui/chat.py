"""The chat: asks the agent through the API, shows its answer as it streams, with its sources; reads it aloud.

What it shows is HTML of `ui/render.py`; the page around it is `ui/page.py`.
"""

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TypeAlias

from tools.clients.api import Api
from tools.clients.speech import SpeechClient
from tools.error_messages import sentence
from tools.errors import Capibara6Error, EmptyQuestion, TooLarge
from tools.schema import Answer, Citation, JsonObject, Language, SpeechRequest
from tools.text.language import detect
from ui.messages import say
from ui.render import answer_html, done_html, error_html

TURNS = 12
"""Messages of the conversation that go with a question."""
REFRESH_S = 0.06
SPOKEN_CHARS = 4_000

Turns: TypeAlias = list[dict[str, str]]
"""A conversation: `{role, content}` each, as OpenAI has them."""


async def answer(
    api: Api, question: str, turns: Turns, language: Language, *, max_chars: int
) -> AsyncIterator[tuple[str, Turns]]:
    """The answer's HTML as it grows, with the conversation so far; the last pair holds the whole answer.

    A failure is the last HTML; the question that failed stays out of the conversation.
    """
    try:
        _check(question, max_chars)
        messages = [*turns[-TURNS:], {"role": "user", "content": question}]
        async for html, text in _stream(api, messages, language):
            yield html, [*messages, {"role": "assistant", "content": text}] if text else turns
    except Capibara6Error as exc:
        yield error_html(sentence(exc.code, language), _detail(exc)), turns


async def read_aloud(speech: SpeechClient, turns: Turns, language: Language) -> str:
    """An HTML player with the last answer, spoken in the answer's own language; or what went wrong."""
    text = next((turn["content"] for turn in reversed(turns) if turn["role"] == "assistant"), "")
    if not text:
        return error_html(say("nothing_to_hear", language))
    text = text[:SPOKEN_CHARS]
    try:
        spoken = await speech.speak(SpeechRequest(text=text, language=detect(text, default="es")))
    except Capibara6Error as exc:
        return error_html(sentence(exc.code, language), _detail(exc))
    source = f"data:audio/wav;base64,{spoken.audio}"
    return f'<audio class="player" controls autoplay src="{source}"></audio>'


async def _stream(api: Api, messages: Turns, language: Language) -> AsyncIterator[tuple[str, str]]:
    """`(html, "")` while it grows, `(html, text)` once it is whole."""
    partial = _PartialAnswer(language)
    shown = 0.0
    yield partial.html(), ""
    events = api.stream([dict(message) for message in messages])
    async for event in events:
        if event["event"] == "done":
            whole = Answer.model_validate(event["answer"])
            yield done_html(whole, language), whole.answer
            with suppress(Capibara6Error):  # read to its end, so that the next question has the connection
                async for _ in events:
                    pass
            return
        partial.add(event)
        if event["event"] != "token" or time.monotonic() - shown > REFRESH_S:
            shown = time.monotonic()
            yield partial.html(), ""


class _PartialAnswer:
    """What is known of an answer before it is whole."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.text = ""
        self.citations: list[Citation] = []
        self.status = say("starting", language)

    def add(self, event: JsonObject) -> None:
        match event["event"]:
            case "token":
                self.text += event["text"]
                self.status = ""
            case "routed":
                self.status = say("routed", self.language, model=event["route"]["model"])
            case "retrieved":
                self.citations = [Citation.model_validate(found) for found in event["citations"]]
                self.status = self._retrieved(len(self.citations))

    def html(self) -> str:
        return answer_html(self.text, self.citations, self.language, status=self.status)

    def _retrieved(self, count: int) -> str:
        key = {0: "none_retrieved", 1: "one_retrieved"}.get(count, "retrieved")
        return say(key, self.language, count=count)


def _check(question: str, max_chars: int) -> None:
    if not question.strip():
        raise EmptyQuestion("the question is empty", param="question", source="ui")
    if len(question) > max_chars:
        raise TooLarge(f"the question may have {max_chars} characters", param="question", source="ui")


def _detail(exc: Capibara6Error) -> str:
    return f"{exc.source or 'ui'}: {exc.code}"
