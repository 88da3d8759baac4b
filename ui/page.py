"""The page: its Gradio components and event listeners; `ui/chat.py` does the asking.

The conversation is kept in the session on the server: what a browser sends back is the question alone.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias

import gradio as gr

from tools.error_messages import sentence
from tools.schema import Language
from tools.settings import Settings
from ui.chat import Turns, answer, read_aloud
from ui.clients import Clients
from ui.messages import EXAMPLES, say
from ui.render import error_html, question_html

MAX_QUEUED = 32
ANSWERS_AT_ONCE = 8
READINGS_AT_ONCE = 2
MAX_SHOWN = 100
"""Messages that the chat goes on showing."""
SESSION_S = 3_600
LANGUAGES: list[tuple[str, str | int | float]] = [("Español", "es"), ("English", "en")]
ChatMessages: TypeAlias = list[dict[str, str]]
"""What the chat shows: `{role, content}` each, `content` as HTML."""


@dataclass(frozen=True)
class Components:
    """The components that event listeners read and write; `turns` and `shown` are the session's state."""

    turns: gr.State
    shown: gr.State
    head: gr.HTML
    language: gr.Radio
    chat: gr.Chatbot
    question: gr.Textbox
    listen: gr.Button
    new: gr.Button
    player: gr.HTML


def build_page(settings: Settings, clients: Callable[[], Clients]) -> gr.Blocks:
    """The page, in `settings.language` until somebody changes it; `clients` are asked for while it serves."""
    # Nothing is uploaded here; what a session left in Gradio's cache goes within the hour.
    with gr.Blocks(
        title="capibara6", analytics_enabled=False, fill_height=True, delete_cache=(SESSION_S, SESSION_S)
    ) as page:
        components = _components(settings, settings.language)
        _on_question(settings, components, clients)
        _on_tools(components, clients)
    page.queue(max_size=MAX_QUEUED, default_concurrency_limit=ANSWERS_AT_ONCE, api_open=False)
    return page


def _components(settings: Settings, language: Language) -> Components:
    turns = gr.State([], time_to_live=SESSION_S)
    shown = gr.State([], time_to_live=SESSION_S)
    with gr.Row(elem_id="head"):
        head = gr.HTML(_header_html(language))
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
        **_empty_chat(language),
    )
    question = gr.Textbox(
        elem_id="question", autofocus=True, max_lines=8, **_question_options(settings, language)
    )
    with gr.Row(elem_id="tools"):
        listen = gr.Button(say("listen", language), size="sm", min_width=0, elem_id="listen")
        new = gr.Button(say("new", language), size="sm", min_width=0, elem_id="new")
        player = gr.HTML(elem_id="player")
    return Components(turns, shown, head, choice, chat, question, listen, new, player)


def _on_question(settings: Settings, components: Components, clients: Callable[[], Clients]) -> None:
    max_chars = settings.limits.question_chars

    async def ask(
        text: str, turns: Turns, shown: ChatMessages, language: Language
    ) -> AsyncIterator[tuple[Any, ChatMessages, ChatMessages, Turns]]:
        shown = [*shown[-MAX_SHOWN:], {"role": "user", "content": question_html(text)}]
        busy: Any = gr.Textbox(value="", submit_btn=False, stop_btn=True)
        async for html, conversation in answer(clients().api, text, turns, language, max_chars=max_chars):
            messages = [*shown, {"role": "assistant", "content": html}]
            yield busy, messages, messages, conversation
            busy = gr.skip()

    async def example(chosen: gr.SelectData) -> str:
        return chosen.value["text"]

    async def stop(shown: ChatMessages, language: Language) -> tuple[Any, ChatMessages, ChatMessages]:
        stopped = {"role": "assistant", "content": error_html(sentence("cancelled", language))}
        shown = [*shown, stopped]
        return _idle_question(), shown, shown

    inputs = [components.question, components.turns, components.shown, components.language]
    outputs = [components.question, components.chat, components.shown, components.turns]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    asked = components.question.submit(ask, inputs, outputs, concurrency_limit=ANSWERS_AT_ONCE, **quiet)
    chosen = components.chat.example_select(example, None, components.question, **quiet)
    asked_example = chosen.then(ask, inputs, outputs, concurrency_limit=ANSWERS_AT_ONCE, **quiet)
    for done in (asked, asked_example):
        done.then(_idle_question, None, components.question, **quiet)
    ended = components.question.stop(None, cancels=[asked, asked_example], **quiet)
    ended.then(stop, [components.shown, components.language], outputs[:3], **quiet)


def _on_tools(components: Components, clients: Callable[[], Clients]) -> None:
    async def speak(turns: Turns, language: Language) -> str:
        return await read_aloud(clients().speech, turns, language)

    async def clear() -> tuple[Any, ...]:
        return [], [], [], "", ""

    async def translate(language: Language) -> tuple[Any, ...]:
        return (
            _header_html(language),
            gr.Chatbot(**_empty_chat(language)),
            gr.Textbox(placeholder=say("ask", language)),
            gr.Button(say("listen", language)),
            gr.Button(say("new", language)),
        )

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    components.listen.click(
        speak,
        [components.turns, components.language],
        components.player,
        concurrency_limit=READINGS_AT_ONCE,
        **quiet,
    )
    components.new.click(
        clear,
        None,
        [components.chat, components.shown, components.turns, components.question, components.player],
        **quiet,
    )
    components.language.input(
        translate,
        components.language,
        [components.head, components.chat, components.question, components.listen, components.new],
        js="language => { document.documentElement.lang = language; return language }",
        **quiet,
    )


def _idle_question() -> Any:
    return gr.Textbox(submit_btn=True, stop_btn=False)


def _header_html(language: Language) -> str:
    tagline = escape(say("tagline", language))
    return f'<div class="brand" lang="{language}"><b>capibara6</b><span>{tagline}</span></div>'


def _empty_chat(language: Language) -> dict[str, Any]:
    """What the chat shows before the first question."""
    title, more = escape(say("welcome", language)), escape(say("welcome_more", language))
    return {
        "placeholder": f'<div class="welcome"><h2>{title}</h2><p>{more}</p></div>',
        "examples": [{"text": text} for text in EXAMPLES[language]],
    }


def _question_options(settings: Settings, language: Language) -> dict[str, Any]:
    return {
        "placeholder": say("ask", language),
        "show_label": False,
        "label": say("ask", language),
        "container": False,
        "max_length": settings.limits.question_chars,
        "submit_btn": True,
    }
