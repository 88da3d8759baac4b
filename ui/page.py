"""The page: its components, and which of their events calls which listener (`ui/listeners.py`).

The conversation is the API's thread that the address names: what a browser sends is the question, and which
thread it belongs to; the API says whether it is the asker's.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr
from starlette.requests import Request

from tools.settings import Settings
from ui.access.identity import Visit
from ui.clients import Clients
from ui.components import SESSION_S, Components, build_components, build_header, idle_question
from ui.listeners import Listeners
from ui.tabs.assistants import Assistants
from ui.tabs.knowledge import Knowledge
from ui.tabs.models import Models
from ui.tabs.operations import Operations
from ui.tabs.pages import Pages
from ui.tabs.tab import Tab
from ui.tabs.words import say
from ui.turns.acts import Acts

MAX_QUEUED = 64
ANSWERS_AT_ONCE = 32
"""Of Gradio's forty places; whoever asks waits for the API and holds no thread."""
READINGS_AT_ONCE = 2
POLL_S = 0.008
"""How often Gradio looks whether somebody has asked; its own .001 takes 6 % of a core while nobody does."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
READ_ADDRESS = "() => [new URLSearchParams(location.search).get('c') ?? '', -new Date().getTimezoneOffset()]"
WRITE_ADDRESS = """id => {
  const address = id ? `/?c=${encodeURIComponent(id)}` : "/";
  const now = new URLSearchParams(location.search).get("c") ?? "";
  if (id !== now) history.pushState({}, "", address);
}"""
KEEP_LANGUAGE = """language => {
  document.cookie = `capibara6_language=${language}; path=/; max-age=31536000; samesite=lax`;
}"""
SPEAK_LANGUAGE = "language => { document.documentElement.lang = language }"


def build_page(
    settings: Settings, clients: Callable[[], Clients], enter: Callable[[Request], Visit]
) -> gr.Blocks:
    """The page; `clients` are asked for while it serves.

    `enter` says who asks something, and raises when they may not."""
    # Nothing is uploaded here; what a session left in Gradio's cache goes within the hour.
    with gr.Blocks(
        title="capibara6", analytics_enabled=False, fill_height=True, delete_cache=(SESSION_S, SESSION_S)
    ) as page:
        header = build_header(settings.language)
        pages = Pages(clients, build_tabs(settings))
        with gr.Tabs(elem_id="pages"):
            with gr.Tab(say("chat", settings.language), id="chat", elem_id="tab-chat") as chat:
                parts = build_components(settings, settings.language, header)
            pages.add(parts.language, settings.language)
        listeners = Listeners(settings, clients, enter, parts, pages)
        _on_questions(page, parts, listeners)
        _on_history(parts, listeners, Acts(listeners))
        _on_tools(parts, listeners)
        # Models may have been loaded and collections made on the pages beside it.
        chat.select(listeners.menus, parts.language, parts.menus, **QUIET)
    page.queue(max_size=MAX_QUEUED, default_concurrency_limit=ANSWERS_AT_ONCE, api_open=False)
    page._queue.sleep_when_free = POLL_S
    return page


def build_tabs(settings: Settings) -> list[Tab]:
    """The pages beside the chat. A new one is a class and one line here."""
    return [
        Knowledge(settings.chat.collection, most_bytes=settings.limits.body_bytes),
        Assistants(),
        Models(),
        Operations(settings),
    ]


def _on_questions(page: gr.Blocks, parts: Components, listeners: Listeners) -> None:
    outputs, many = parts.conversation, {**QUIET, "concurrency_limit": ANSWERS_AT_ONCE}
    asking = [parts.question, parts.place, parts.shown, parts.language, *parts.choice]
    arrived = page.load(
        listeners.arrive,
        [parts.place, parts.zone],
        [*parts.all(), *listeners.pages.labels.values()],
        js=READ_ADDRESS,
        concurrency_limit=MAX_QUEUED,
        **QUIET,
    )
    asked = parts.question.submit(listeners.ask, asking, outputs, **many)
    suggested = parts.history.example_select(listeners.ask_suggested, asking[1:], outputs, **many)
    asked_again = parts.again.click(listeners.retry, [parts.unsent, *asking[1:]], outputs, **many)
    branched = parts.history.edit(listeners.branch, asking[1:], outputs, **many)
    listing = [parts.place, parts.zone, parts.language]
    answering = (asked, suggested, asked_again, branched)
    for done in (arrived, *answering):
        done.then(idle_question, None, parts.question, **QUIET)
    for done in answering:
        done.then(listeners.list, listing, parts.history, **QUIET)
    ended = parts.question.stop(None, cancels=[arrived, *answering], **QUIET)
    stopped = ended.then(listeners.stop, [parts.unsent, parts.place, parts.language], outputs, **QUIET)
    stopped.then(listeners.list, listing, parts.history, **QUIET)


def _on_history(parts: Components, listeners: Listeners, acts: Acts) -> None:
    inputs = [parts.place, parts.zone, parts.language]
    outputs = [*parts.conversation, parts.files, parts.history, parts.player, parts.evidence, parts.notice]
    # As many deletions as there are can wait for second thoughts; none keeps another from its own.
    free: dict[str, Any] = {**QUIET, "trigger_mode": "multiple", "concurrency_limit": None}
    parts.history.submit(acts.keep, inputs, outputs, **free)
    parts.history.click(acts.open, [parts.place, parts.language], parts.evidence, **free)
    parts.place.change(None, parts.place, None, js=WRITE_ADDRESS, **QUIET)
    cleared = parts.new.click(listeners.clear, parts.language, outputs, **QUIET)
    cleared.then(listeners.list, inputs, parts.history, **QUIET)


def _on_tools(parts: Components, listeners: Listeners) -> None:
    starting = [parts.agent, parts.place, parts.language]
    parts.agent.input(listeners.starters, starting, parts.turns, **QUIET)
    parts.listen.click(
        listeners.speak,
        [parts.place, parts.language],
        parts.player,
        concurrency_limit=READINGS_AT_ONCE,
        **QUIET,
    )
    everything = [*parts.all(), *listeners.pages.labels.values()]
    parts.language.input(listeners.translate, [parts.place, parts.zone, parts.language], everything, **QUIET)
    parts.language.input(None, parts.language, None, js=KEEP_LANGUAGE, **QUIET)
    parts.language.change(None, parts.language, None, js=SPEAK_LANGUAGE, **QUIET)
