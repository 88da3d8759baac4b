"""Puts the pages beside the chat into tabs: who sees which, what a click does, how a failure reads."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import gradio as gr

from tools.error_messages import sentence
from tools.errors import Capibara6Error, Forbidden
from tools.schema import Language
from ui.access.identity import Visit, visit_of
from ui.clients import Clients
from ui.tabs.tab import Tab
from ui.tabs.words import say
from ui.turns.wish import Wish, web_request

SCRIPTS: Final = Path(__file__).parent.with_name("scripts")
QUIET: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}


def script() -> str:
    """What runs with every page."""
    return "\n".join((SCRIPTS / f"{name}.js").read_text("utf-8") for name in ("upload", "tab"))


class Pages:
    """The tabs of one page. `add` builds a tab's components and joins them to their listeners."""

    def __init__(self, clients: Callable[[], Clients], tabs: Sequence[Tab]) -> None:
        self.clients, self.tabs = clients, tabs
        self.labels: dict[str, gr.Tab] = {}

    def add(self, language: gr.Radio, spoken: Language) -> None:
        """Every tab, beside the one that is open."""
        for tab in self.tabs:
            visible = tab.scope == "read"
            with gr.Tab(
                say(tab.name, spoken), id=tab.name, elem_id=f"tab-{tab.name}", visible=visible
            ) as label:
                html = gr.HTML(
                    _page_html(tab, f'<p class="empty">{escape(say("nothing_yet", spoken))}</p>'),
                    elem_id=f"page-{tab.name}",
                    elem_classes="page",
                    js_on_load=script(),
                    apply_default_css=False,
                )
            self.labels[tab.name] = label
            listener = self._listener(tab)
            label.select(listener, language, html, **QUIET)
            html.submit(listener, language, html, trigger_mode="multiple", concurrency_limit=None, **QUIET)

    def spoken(self, language: Language, visit: Visit) -> dict[Any, Any]:
        """The tabs' titles in a language, for those who may open them."""
        return {
            self.labels[tab.name]: gr.Tab(
                say(tab.name, language), visible=tab.scope in visit.principal.scopes
            )
            for tab in self.tabs
        }

    def _listener(self, tab: Tab) -> Callable[..., Any]:
        async def listener(language: Language, request: gr.Request, event: gr.EventData) -> str:
            visit, wish = visit_of(web_request(request)), Wish(event)
            return _page_html(tab, await drawn(tab, self.clients(), visit, wish, language), language)

        return listener


async def drawn(tab: Tab, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
    """What the page shows after a wish: what was done or why not, then everything as it is now."""
    said = ""
    try:
        if tab.scope not in visit.principal.scopes:
            raise Forbidden(f"{tab.name} needs the scope {tab.scope}", source="ui")
        try:
            if done := await tab.act(clients, visit, wish, language):
                said = f'<p class="said-done" role="status">{escape(done)}</p>'
        except Capibara6Error as exc:
            said = failure(exc, language)
        return said + await tab.draw(clients, visit, wish, language)
    except Capibara6Error as exc:
        return said + failure(exc, language)


def failure(exc: Capibara6Error, language: Language) -> str:
    """A failure in the reader's words, with what whoever looks into it needs, and a way to try again."""
    detail = escape(f"{exc.source or 'ui'}: {exc.message}")
    again = escape(say("retry", language))
    words = escape(sentence(exc.code, language))
    return (
        f'<div class="failure" role="alert">{words}<div class="detail">{detail}</div>'
        f'<button type="button" class="small" data-act="refresh">{again}</button></div>'
    )


def _page_html(tab: Tab, html: str, language: Language = "es") -> str:
    live = ' data-live="1"' if tab.live else ""
    return f'<div class="sheet" lang="{language}"{live}>{html}</div>'
