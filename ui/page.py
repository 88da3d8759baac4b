"""The page: header, chat and what happens when something is pressed; `ui/chat.py` does the asking.

The conversation is kept in the session on the server: what a browser sends back is the question alone.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from tools.error_messages import sentence
from tools.schema import Language
from tools.settings import Settings
from ui.chat import Turns, answer, read_aloud
from ui.messages import EXAMPLES, say
from ui.render import error_html, question_html

QUEUE = 32
ANSWERS_AT_ONCE = 8
VOICES_AT_ONCE = 2
SHOWN = 100
SESSION_S = 3_600
LANGUAGES: list[tuple[str, str | int | float]] = [("Español", "es"), ("English", "en")]
Shown = list[dict[str, str]]


@dataclass(frozen=True)
class Parts:
    """The components that events read and write."""

    turns: gr.State
    shown: gr.State
    head: gr.HTML
    language: gr.Radio
    chat: gr.Chatbot
    question: gr.Textbox
    listen: gr.Button
    new: gr.Button
    player: gr.HTML


def build_page(settings: Settings) -> gr.Blocks:
    """The whole page, in `settings.language` until somebody changes it."""
    # Nothing is uploaded here; what a session left in Gradio's cache goes within the hour.
    with gr.Blocks(
        title="capibara6", analytics_enabled=False, fill_height=True, delete_cache=(SESSION_S, SESSION_S)
    ) as page:
        parts = _parts(settings, settings.language)
        _on_question(settings, parts)
        _on_tools(settings, parts)
    page.queue(max_size=QUEUE, default_concurrency_limit=ANSWERS_AT_ONCE, api_open=False)
    return page


def _parts(settings: Settings, language: Language) -> Parts:
    turns = gr.State([], time_to_live=SESSION_S)
    shown = gr.State([], time_to_live=SESSION_S)
    with gr.Row(elem_id="head"):
        head = gr.HTML(_head(language))
        choice = gr.Radio(LANGUAGES, value=language, show_label=False, container=False, elem_id="language")
    chat = gr.Chatbot(
        elem_id="chat",
        label=say("conversation", language),
        show_label=False,
        container=False,
        scale=1,
        min_height=320,
        buttons=[],
        feedback_options=None,
        latex_delimiters=[],
        allow_file_downloads=False,
        group_consecutive_messages=False,
        **_empty(language),
    )
    question = gr.Textbox(elem_id="question", autofocus=True, max_lines=8, **_asking(settings, language))
    with gr.Row(elem_id="tools"):
        listen = gr.Button(say("listen", language), size="sm", min_width=0, elem_id="listen")
        new = gr.Button(say("new", language), size="sm", min_width=0, elem_id="new")
        player = gr.HTML(elem_id="player")
    return Parts(turns, shown, head, choice, chat, question, listen, new, player)


def _on_question(settings: Settings, parts: Parts) -> None:
    async def ask(
        text: str, turns: Turns, shown: Shown, language: Language
    ) -> AsyncIterator[tuple[Any, Shown, Shown, Turns]]:
        shown = [*shown[-SHOWN:], {"role": "user", "content": question_html(text)}]
        busy: Any = gr.Textbox(value="", submit_btn=False, stop_btn=True)
        async for html, said in answer(settings, text, turns, language):
            grown = [*shown, {"role": "assistant", "content": html}]
            yield busy, grown, grown, said
            busy = gr.skip()

    async def example(chosen: gr.SelectData) -> str:
        return chosen.value["text"]

    async def stop(shown: Shown, language: Language) -> tuple[Any, Shown, Shown]:
        stopped = {"role": "assistant", "content": error_html(sentence("cancelled", language))}
        shown = [*shown, stopped]
        return _ready(), shown, shown

    inputs = [parts.question, parts.turns, parts.shown, parts.language]
    outputs = [parts.question, parts.chat, parts.shown, parts.turns]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    asked = parts.question.submit(ask, inputs, outputs, concurrency_limit=ANSWERS_AT_ONCE, **quiet)
    chosen = parts.chat.example_select(example, None, parts.question, **quiet)
    asked_example = chosen.then(ask, inputs, outputs, concurrency_limit=ANSWERS_AT_ONCE, **quiet)
    for done in (asked, asked_example):
        done.then(_ready, None, parts.question, **quiet)
    ended = parts.question.stop(None, cancels=[asked, asked_example], **quiet)
    ended.then(stop, [parts.shown, parts.language], outputs[:3], **quiet)


def _on_tools(settings: Settings, parts: Parts) -> None:
    async def speak(turns: Turns, language: Language) -> str:
        return await read_aloud(settings, turns, language)

    async def clear() -> tuple[Any, ...]:
        return [], [], [], "", ""

    async def translate(language: Language) -> tuple[Any, ...]:
        return (
            _head(language),
            gr.Chatbot(**_empty(language)),
            gr.Textbox(placeholder=say("ask", language)),
            gr.Button(say("listen", language)),
            gr.Button(say("new", language)),
        )

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    parts.listen.click(
        speak, [parts.turns, parts.language], parts.player, concurrency_limit=VOICES_AT_ONCE, **quiet
    )
    parts.new.click(
        clear, None, [parts.chat, parts.shown, parts.turns, parts.question, parts.player], **quiet
    )
    parts.language.input(
        translate,
        parts.language,
        [parts.head, parts.chat, parts.question, parts.listen, parts.new],
        js="language => { document.documentElement.lang = language; return language }",
        **quiet,
    )


def _ready() -> Any:
    return gr.Textbox(submit_btn=True, stop_btn=False)


def _head(language: Language) -> str:
    tagline = escape(say("tagline", language))
    return f'<div class="brand" lang="{language}"><b>capibara6</b><span>{tagline}</span></div>'


def _empty(language: Language) -> dict[str, Any]:
    """What the chat shows before the first question."""
    title, more = escape(say("welcome", language)), escape(say("welcome_more", language))
    return {
        "placeholder": f'<div class="welcome"><h2>{title}</h2><p>{more}</p></div>',
        "examples": [{"text": text} for text in EXAMPLES[language]],
    }


def _asking(settings: Settings, language: Language) -> dict[str, Any]:
    return {
        "placeholder": say("ask", language),
        "show_label": False,
        "label": say("ask", language),
        "container": False,
        "max_length": settings.limits.question_chars,
        "submit_btn": True,
    }
