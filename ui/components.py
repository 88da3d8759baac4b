"""The page's Gradio components and what they say in a language. Who listens to them is `ui/page.py`'s."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

import gradio as gr

from tools.schema import Language
from tools.settings import Settings
from ui.messages import EXAMPLES, say

LANGUAGES: Final[list[tuple[str, str | int | float]]] = [("Español", "es"), ("English", "en")]
SESSION_S: Final = 3_600
SCRIPT: Final = Path(__file__).with_name("page.js").read_text("utf-8")
Updates = dict[Any, Any]
"""New values by component: what a listener gives back."""


@dataclass(frozen=True)
class Components:
    """What listeners read and write. `place` is the thread's id, as the address has it; `zone` the minutes by
    which the reader's clock is ahead of UTC; `shown` and `unsent` are what the session's page shows of the
    thread, and the question that the API did not take."""

    place: gr.Textbox
    zone: gr.Number
    shown: gr.State
    unsent: gr.State
    head: gr.HTML
    language: gr.Radio
    toggle: gr.Button
    history: gr.HTML
    chat: gr.Chatbot
    evidence: gr.HTML
    question: gr.Textbox
    listen: gr.Button
    new: gr.Button
    again: gr.Button
    player: gr.HTML

    def spoken(self, language: Language, person: str = "") -> Updates:
        """Everything that is in a language, in this one."""
        return {
            self.head: header_html(language, person),
            self.chat: gr.Chatbot(**empty_chat(language)),
            self.question: gr.Textbox(placeholder=say("ask", language), label=say("ask", language)),
            self.listen: gr.Button(say("listen", language)),
            self.new: gr.Button(say("new", language)),
            self.toggle: gr.Button(say("history", language)),
            self.evidence: "",
        }

    @property
    def conversation(self) -> list[Any]:
        """What changes with the conversation."""
        return [self.place, self.chat, self.shown, self.unsent, self.question]

    def all(self) -> list[Any]:
        """Every component that a listener may change."""
        return [*vars(self).values()]


def build_components(settings: Settings, language: Language) -> Components:
    """The page's components, laid out; texts are in `language` until somebody's page says which they read."""
    place = gr.Textbox(visible=False)
    zone = gr.Number(0, precision=0, visible=False)
    shown = gr.State([], time_to_live=SESSION_S)
    unsent = gr.State("", time_to_live=SESSION_S)
    with gr.Row(elem_id="head"):
        head = gr.HTML(header_html(language))
        choice = gr.Radio(LANGUAGES, value=language, show_label=False, container=False, elem_id="language")
    with gr.Row(elem_id="room"):
        toggle, new, history = _past(language)
        with gr.Column(elem_id="main", min_width=0):
            chat = _chat(language)
            question = gr.Textbox(
                elem_id="question", autofocus=True, max_lines=8, **_asking(settings, language)
            )
            with gr.Row(elem_id="tools"):
                listen = gr.Button(say("listen", language), size="sm", min_width=0, elem_id="listen")
                again = gr.Button("", elem_id="again")
                player = gr.HTML(elem_id="player")
        evidence = gr.HTML(elem_id="evidence")
    return Components(
        place,
        zone,
        shown,
        unsent,
        head,
        choice,
        toggle,
        history,
        chat,
        evidence,
        question,
        listen,
        new,
        again,
        player,
    )


def header_html(language: Language, person: str = "") -> str:
    """The name of the place, and whose page it is."""
    tagline = escape(say("tagline", language))
    sessions = f"/sessions?language={language}"
    who = f'<a class="person" href="{sessions}">{escape(person)}</a>' if person else ""
    return f'<div class="brand" lang="{language}"><b>capibara6</b><span>{tagline}</span>{who}</div>'


def empty_chat(language: Language) -> dict[str, Any]:
    """What the chat shows before the first question."""
    title, more = escape(say("welcome", language)), escape(say("welcome_more", language))
    return {
        "label": say("conversation", language),
        "placeholder": f'<div class="welcome"><h2>{title}</h2><p>{more}</p></div>',
        "examples": [{"text": text} for text in EXAMPLES[language]],
    }


def idle_question() -> Any:
    """The question box when nothing is being answered."""
    return gr.Textbox(submit_btn=True, stop_btn=False)


def busy_question(**more: Any) -> Any:
    """The question box while an answer comes."""
    return gr.Textbox(submit_btn=False, stop_btn=True, **more)


def _past(language: Language) -> tuple[gr.Button, gr.Button, gr.HTML]:
    """The column of earlier conversations; on a phone its first button shows and hides the list."""
    with gr.Column(elem_id="past", scale=0, min_width=0):
        with gr.Row(elem_id="past-head"):
            toggle = gr.Button(say("history", language), size="sm", min_width=0, elem_id="past-toggle")
            new = gr.Button(say("new", language), size="sm", min_width=0, elem_id="new")
        return toggle, new, gr.HTML(elem_id="history", js_on_load=SCRIPT)


def _chat(language: Language) -> gr.Chatbot:
    return gr.Chatbot(
        elem_id="chat",
        show_label=False,
        container=False,
        scale=1,
        min_height=320,
        buttons=[],
        feedback_options=None,
        latex_delimiters=[],
        allow_file_downloads=False,
        group_consecutive_messages=False,
        **empty_chat(language),
    )


def _asking(settings: Settings, language: Language) -> dict[str, Any]:
    return {
        "placeholder": say("ask", language),
        "show_label": False,
        "label": say("ask", language),
        "container": False,
        "max_length": settings.limits.question_chars,
        "submit_btn": True,
    }
