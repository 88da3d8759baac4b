"""The page's Gradio components and what they say in a language. Who listens to them is `ui/page.py`'s."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

import gradio as gr

from tools.schema import Language
from tools.settings import Settings
from ui.conversation import ChatMessages, in_parts
from ui.messages import EXAMPLES, MESSAGES, say
from ui.turns.choices import AGENT, ANYWHERE, AUTO, Menu, usual_menu
from ui.turns.icons import icon

LANGUAGES: Final[list[tuple[str, str | int | float]]] = [("Español", "es"), ("English", "en")]
SESSION_S: Final = 3_600
SCRIPTS: Final = ("words", "upload", "history", "evidence", "turns", "page", "attach", "player")
"""In the order in which they build on each other; they run as one, with the history's own element."""
SPOKEN_BY_SCRIPTS: Final = (
    "copied", "not_copied", "edit", "send", "cancel", "reason", "reason_wrong", "reason_missing",
    "reason_source", "reason_form", "nothing_to_export", "no_sound", "share_with",

)  # fmt: skip
Updates = dict[Any, Any]
"""New values by component: what a listener gives back."""


@dataclass(frozen=True, kw_only=True)
class Components:
    """What listeners read and write. `place` is the thread's id, as the address has it; `zone` the minutes by
    which the reader's clock is ahead of UTC; `shown` and `unsent` are what the session's page shows of the
    thread, and the question that the API did not take; `files` is the collection of what was uploaded into
    the conversation. `old` are turns far up, `turns` those that stand still, `live` is the last one."""

    place: gr.Textbox
    zone: gr.Number
    shown: gr.State
    unsent: gr.State
    files: gr.State
    head: gr.HTML
    language: gr.Radio
    toggle: gr.Button
    history: gr.HTML
    old: gr.HTML
    turns: gr.HTML
    live: gr.HTML
    evidence: gr.HTML
    question: gr.Textbox
    agent: gr.Dropdown
    model: gr.Dropdown
    collection: gr.Dropdown
    attach: gr.HTML
    listen: gr.Button
    export: gr.HTML
    new: gr.Button
    again: gr.Button
    player: gr.HTML
    notice: gr.HTML

    def spoken(self, language: Language, menu: Menu, *, person: str, most_bytes: int) -> Updates:
        """Everything that is in a language, in this one; files may have `most_bytes`."""
        return {
            self.head: header_html(language, person),
            self.question: gr.Textbox(placeholder=say("ask", language), label=say("ask", language)),
            self.agent: gr.Dropdown(choices=menu.agents, label=say("agent", language)),
            self.model: gr.Dropdown(choices=menu.models, label=say("model", language)),
            self.collection: gr.Dropdown(choices=menu.collections, label=say("collection", language)),
            self.attach: attach_html(language, most_bytes),
            self.listen: gr.Button(say("listen", language)),
            self.export: export_html(language),
            self.new: gr.Button(say("new", language)),
            self.toggle: gr.Button(say("history", language)),
            self.evidence: "",
        }

    def drawn(
        self, messages: ChatMessages, language: Language, suggestions: Sequence[str] | None = None
    ) -> Updates:
        """The conversation; before its first question what may be asked, `suggestions` where known."""
        old, recent, last = in_parts(messages)
        welcome = "" if messages else welcome_html(language, suggestions)
        return {self.old: old, self.turns: f"{welcome}{recent}", self.live: last}

    @property
    def conversation(self) -> list[Any]:
        """What changes with the conversation."""
        return [self.place, self.old, self.turns, self.live, self.shown, self.unsent, self.question]

    @property
    def choice(self) -> list[Any]:
        """What a question is asked of: agent, model, collection, the conversation's files."""
        return [*self.menus, self.files]

    @property
    def menus(self) -> list[Any]:
        """What is chosen of lists: agent, model, collection."""
        return [self.agent, self.model, self.collection]

    def all(self) -> list[Any]:
        """Every component that a listener may change."""
        return [*vars(self).values()]


def build_components(settings: Settings, language: Language, header: dict[str, Any]) -> Components:
    """The chat's components, laid out; texts are in `language` until somebody's page says which they read."""
    parts: dict[str, Any] = {
        **header,
        "place": gr.Textbox(visible=False),
        "zone": gr.Number(0, precision=0, visible=False),
        "shown": gr.State([], time_to_live=SESSION_S),
        "unsent": gr.State("", time_to_live=SESSION_S),
        "files": gr.State("", time_to_live=SESSION_S),
        "notice": gr.HTML('<div id="notice" role="status"></div>', apply_default_css=False),
    }
    with gr.Row(elem_id="room"):
        parts |= _past(language)
        with gr.Column(elem_id="main", min_width=0):
            with gr.Column(elem_id="chat", min_width=0):
                parts["old"] = gr.HTML(elem_id="old", apply_default_css=False)
                parts["turns"] = gr.HTML(welcome_html(language), elem_id="turns", apply_default_css=False)
                parts["live"] = gr.HTML(elem_id="live", apply_default_css=False)
            parts |= _asking(settings, language)
        parts["evidence"] = gr.HTML(elem_id="evidence", apply_default_css=False)
    return Components(**parts)


def build_header(language: Language) -> dict[str, Any]:
    """What stands above every page: whose it is, and the language."""
    with gr.Row(elem_id="head"):
        head = gr.HTML(header_html(language), apply_default_css=False)
        choice = gr.Radio(
            LANGUAGES, value=language, label="Idioma · Language", show_label=False, container=False,
            elem_id="language",
        )  # fmt: skip
    return {"head": head, "language": choice}


def header_html(language: Language, person: str = "") -> str:
    """The name of the place, and whose page it is."""
    tagline = escape(say("tagline", language))
    sessions = f"/sessions?language={language}"
    who = f'<a class="person" href="{sessions}">{escape(person)}</a>' if person else ""
    logo = '<img src="/logo.svg" alt="" width="40" height="40">'
    words = f"<h1>capibara6</h1><span>{tagline}</span>{who}"
    return f'<div class="brand" lang="{language}">{logo}<div>{words}</div></div>'


def welcome_html(language: Language, suggestions: Sequence[str] | None = None) -> str:
    """What the chat shows before the first question; without documents, where they come from."""
    suggestions = EXAMPLES[language] if suggestions is None else suggestions
    more = escape(say("welcome_more" if suggestions else "welcome_empty", language))
    title = escape(say("welcome", language))
    buttons = "".join(
        f'<li><button type="button" data-act="suggest">{escape(text)}</button></li>' for text in suggestions
    )
    listed = f'<ul aria-label="{escape(say("examples", language))}">{buttons}</ul>' if buttons else ""
    return f'<section class="welcome" lang="{language}"><h2>{title}</h2><p>{more}</p>{listed}</section>'


def attach_html(language: Language, most_bytes: int) -> str:
    """The button that hands over files to this conversation, and what became of each."""
    names = ("sending", "reading", "ready", "failed", "too_long", "too_large")
    size = f"{most_bytes / 2**20:.0f} MiB"
    words = "".join(
        f' data-{name.replace("_", "-")}="{escape(say(f"file_{name}", language, size=size))}"'
        for name in names
    )
    label = escape(say("attach", language))
    return (
        f'<form class="attach" data-most="{most_bytes}"{words}><label title="{label}">{icon("attach")}'
        f'<span class="unseen">{label}</span><input type="file" multiple></label>'
        '<ul aria-live="polite"></ul></form>'
    )


def export_html(language: Language) -> str:
    """The menu of what a conversation can become."""
    items = "".join(
        f'<button type="button" data-kind="{kind}">{escape(say(f"export_{kind}", language))}</button>'
        for kind in ("md", "json", "print")
    )
    items += f'<button type="button" data-kind="share">{escape(say("share", language))}</button>'
    label = escape(say("export", language))
    return f'<details class="menu" id="export"><summary>{label}</summary><div>{items}</div></details>'


def idle_question() -> Any:
    """The question box when nothing is being answered."""
    return gr.Textbox(submit_btn=True, stop_btn=False)


def busy_question(**more: Any) -> Any:
    """The question box while an answer comes."""
    return gr.Textbox(submit_btn=False, stop_btn=True, **more)


def script() -> str:
    """The page's own JavaScript, with its words in both languages."""
    folder = Path(__file__).with_name("scripts")
    text = "\n".join((folder / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    spoken = {key: MESSAGES[key] for key in SPOKEN_BY_SCRIPTS}
    return text.replace("WORDS;", f"{json.dumps(spoken, ensure_ascii=False)};", 1)


def _past(language: Language) -> dict[str, Any]:
    """The column of earlier conversations; on a phone its first button shows and hides the list."""
    with gr.Column(elem_id="past", scale=0, min_width=0):
        with gr.Row(elem_id="past-head"):
            toggle = gr.Button(say("history", language), size="sm", min_width=0, elem_id="past-toggle")
            new = gr.Button(say("new", language), size="sm", min_width=0, elem_id="new")
        listed = gr.HTML(elem_id="history", js_on_load=script(), apply_default_css=False)
    return {"toggle": toggle, "new": new, "history": listed}


def _asking(settings: Settings, language: Language) -> dict[str, Any]:
    """The question's box, of whom it is asked, and what else can be done."""
    menu = usual_menu(language)
    plain: dict[str, Any] = {"filterable": False, "container": True, "min_width": 0, "scale": 0}
    question = gr.Textbox(
        elem_id="question", autofocus=True, max_lines=8, placeholder=say("ask", language), show_label=False,
        label=say("ask", language), container=False, submit_btn=True,
        max_length=settings.limits.question_chars,
    )  # fmt: skip
    with gr.Row(elem_id="tools"):
        agent = gr.Dropdown(menu.agents, value=AGENT, label=say("agent", language), elem_id="agent", **plain)
        model = gr.Dropdown(menu.models, value=AUTO, label=say("model", language), elem_id="model", **plain)
        collection = gr.Dropdown(
            menu.collections, value=ANYWHERE, label=say("collection", language), elem_id="collection", **plain
        )
        attach = gr.HTML(
            attach_html(settings.language, settings.limits.body_bytes), apply_default_css=False,
            elem_id="attach",
        )  # fmt: skip
        listen = gr.Button(say("listen", language), size="sm", min_width=0, elem_id="listen")
        export = gr.HTML(export_html(language), apply_default_css=False, elem_id="export-menu")
        again = gr.Button("", elem_id="again")
        player = gr.HTML(elem_id="player", apply_default_css=False)
    return {
        "question": question, "agent": agent, "model": model, "collection": collection, "attach": attach,
        "listen": listen,        "export": export, "again": again, "player": player,
    }  # fmt: skip
