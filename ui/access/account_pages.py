"""The small pages around the chat: signing in, one's own sessions, what went wrong on the way. HTML alone.

Each is one file: its style and its script are inside, named by their digests in its content security policy.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse

from tools.clients.accounts import Session
from tools.schema import Language
from ui.access.cookies import LANGUAGE
from ui.messages import say

STYLE: Final = Path(__file__).with_name("account.css").read_text("utf-8")
SCRIPT: Final = Path(__file__).with_name("account.js").read_text("utf-8")
BROWSERS: Final = {
    "Edg": "Edge",
    "OPR": "Opera",
    "Firefox": "Firefox",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
SYSTEMS: Final = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
"""The first that is found counts: browsers carry the names of those they wish to pass for."""
AGENT_CHARS: Final = 60
LANGUAGES: Final[dict[Language, str]] = {"es": "Español", "en": "English"}


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src {_digest(STYLE)}; script-src {_digest(SCRIPT)}; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
}


def language_of(request: HTTPConnection, otherwise: Language) -> Language:
    """What the person asked for, else what they chose before, else what their browser prefers."""
    wanted = [request.query_params.get("language", ""), request.cookies.get(LANGUAGE, "")]
    wanted += [part.strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")]
    found: Any = next((name for name in wanted if name in LANGUAGES), otherwise)
    return found


def sign_in_page(language: Language, next: str, *, provider: bool) -> HTMLResponse:
    """Name and password, and the way to the provider where there is one; then on to `next`."""
    said = {"wrong": "wrong_password", "wait": "too_many_tries", "failed": "sign_in_failed"}
    data = "".join(f' data-{name}="{escape(say(key, language))}"' for name, key in said.items())
    body = (
        f"<h1>{_say('sign_in', language)}</h1>"
        f'<form method="post" action="/login"{data}><p role="alert"></p>'
        f'<input type="hidden" name="next" value="{escape(next)}">'
        f"<label>{_say('user', language)}"
        '<input name="user" required maxlength="64" autocomplete="username" autocapitalize="none" '
        'spellcheck="false" autofocus></label>'
        f"<label>{_say('password', language)}"
        '<input name="password" type="password" required maxlength="256" autocomplete="current-password">'
        f'</label><button class="main">{_say("enter", language)}</button></form>'
    )
    if provider:
        address = f"/login/provider?{urlencode({'next': next})}"
        body += f'<p class="or">{_say("or", language)}</p>'
        body += f'<a class="button" href="{escape(address)}">{_say("enter_with_provider", language)}</a>'
    other: Language = "en" if language == "es" else "es"
    links = f'<a lang="{other}" href="?{urlencode({"next": next, "language": other})}">{LANGUAGES[other]}</a>'
    return _page(language, _say("sign_in", language), body, links=links)


def sessions_page(
    language: Language, user: str, sessions: Sequence[Session], *, own: str | None
) -> HTMLResponse:
    """The sessions of `user`, `own` being the one that asks; each can be ended."""
    rows = "".join(_row(language, session, own=session["id"] == own) for session in sessions)
    listed = f"<ul>{rows}</ul>" if rows else f"<p>{_say('no_sessions', language)}</p>"
    out = ""
    if own:
        label = _say("sign_out", language)
        out = f'<button class="main" data-send="POST /logout" data-next="/login">{label}</button>'
    body = f'<h1>{escape(say("sessions_of", language, user=user))}</h1><p role="alert"></p>{listed}{out}'
    links = f'<a href="/">{_say("back", language)}</a>'
    return _page(language, _say("sessions", language), body, links=links, wide=True)


def failure_page(language: Language, sentence: str, *, status: int) -> HTMLResponse:
    """What went wrong, and the way back to the sign-in."""
    body = f'<p role="alert">{escape(sentence)}</p>'
    body += f'<a class="button" href="/login">{_say("try_again", language)}</a>'
    return _page(language, _say("sign_in", language), body, status=status)


def browser_of(agent: str) -> str:
    """What a browser calls itself, as a person knows it again: `Firefox · Linux`; of another program its own
    words, shortened, and `?` for who says nothing."""
    found = [
        next((name for part, name in names.items() if part in agent), "") for names in (BROWSERS, SYSTEMS)
    ]
    return " · ".join(found) if all(found) else agent[:AGENT_CHARS].strip() or "?"


def _row(language: Language, session: Session, *, own: bool) -> str:
    since = escape(say("session_since", language, moment=_moment(session["created_at"])))
    seen = escape(say("session_seen", language, moment=_moment(session["last_seen"])))
    mark = f" · {_say('this_session', language)}" if own else ""
    agent, browser = escape(session["agent"]), escape(browser_of(session["agent"]))
    path = f"/api/sessions/{quote(session['id'], safe='')}"
    after = "/login" if own else "/sessions"
    button = f'<button data-send="DELETE {escape(path)}" data-next="{after}">{_say("end", language)}</button>'
    named = f'<strong title="{agent}">{browser}</strong>'
    return f"<li><div>{named}<small>{since} · {seen}{mark}</small></div>{button}</li>"


def _moment(text: str | None) -> str:
    """ISO 8601 as people read it, to the minute (UTC)."""
    return f"{text[:10]} {text[11:16]}" if text else "—"


def _say(key: str, language: Language) -> str:
    return escape(say(key, language))


def _page(
    language: Language, title: str, body: str, *, links: str = "", wide: bool = False, status: int = 200
) -> HTMLResponse:
    kind = ' class="wide"' if wide else ""
    failed = escape(say("sign_in_failed", language))
    html = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title} · capibara6</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>'
        f'<body><main{kind} data-failed="{failed}"><header><b>capibara6</b><nav>{links}</nav></header>'
        f'<section class="card">{body}</section></main><script>{SCRIPT}</script></body></html>'
    )
    return HTMLResponse(html, status, headers=HEADERS)
