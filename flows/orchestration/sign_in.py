"""Sign-in to Prefect's page: a link that is good once puts the server's auth string where the page keeps it.

The token travels behind the `#` of the link, so that no log and no `Referer` holds it; the page posts it and
gets the auth string for it, once. Who may ask for links is who knows the auth string.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tools.clients.prefect import SIGN_IN, SIGN_IN_TOKENS
from tools.errors import BadRequest, Capibara6Error, NotFound, Unauthorized, UnsupportedMediaType

TOKEN_S = 86_400.0
MAX_TOKENS = 64
STORAGE_KEY = "prefect-password"
"""Where Prefect's page looks for its auth string, in base64."""

STYLE = "body{font:1.1rem system-ui;max-width:34rem;margin:20vh auto;padding:0 1rem}p{display:none}"
STYLE += "body.refused p{display:block}"
SCRIPT = f"""
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
fetch("{SIGN_IN}", {{
  method: "POST",
  headers: {{"content-type": "application/json"}},
  body: JSON.stringify({{token}}),
}}).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status))).then(({{password}}) => {{
  localStorage.setItem("{STORAGE_KEY}", password);
  location.replace("/");
}}).catch(() => document.body.classList.add("refused"));
"""
PAGE = f"""<!doctype html><html lang="es"><meta charset="utf-8"><title>capibara6 · Prefect</title>
<style>{STYLE}</style><body><p>Este enlace ya no sirve. <code>capibara6 flows sign-in</code> da otro.</p>
<p lang="en">This link is not good any more. <code>capibara6 flows sign-in</code> gives another.</p>
<noscript>JavaScript</noscript><script>{SCRIPT}</script></body></html>
"""


def _allowed(text: str) -> str:
    """A source of Content-Security-Policy that lets exactly this inline text through."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; script-src {_allowed(SCRIPT)}; style-src {_allowed(STYLE)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer", "content-security-policy": POLICY}


@dataclass
class Tokens:
    """Links that were not used yet, by the digest of their tokens: at most `MAX_TOKENS`, the oldest go."""

    good_until: dict[str, float] = field(default_factory=dict)

    def make(self) -> str:
        """A new token, good once within `TOKEN_S` seconds."""
        token = secrets.token_urlsafe(32)
        while len(self.good_until) >= MAX_TOKENS:
            del self.good_until[next(iter(self.good_until))]
        self.good_until[_digest(token)] = time.monotonic() + TOKEN_S
        return token

    def redeem(self, token: str) -> bool:
        """Whether the token was good; it is not any more."""
        return self.good_until.pop(_digest(token), 0.0) > time.monotonic()


class SignIn:
    """ASGI middleware around Prefect's app: `GET` and `POST /sign-in`, and `POST /api/sign-in/tokens`."""

    def __init__(self, app: ASGIApp, *, auth: str) -> None:
        self.app, self.tokens = app, Tokens()
        self.password = base64.b64encode(auth.encode()).decode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) not in ROUTES:
            await self.app(scope, receive, send)
            return
        try:
            answer = await ROUTES[scope["method"], scope["path"]](self, Request(scope, receive))
        except Capibara6Error as exc:
            answer = JSONResponse(exc.envelope(), exc.status)
        answer.headers.update(HEADERS)
        await answer(scope, receive, send)

    async def page(self, request: Request) -> Response:
        """The page behind a link; it holds no secret."""
        return HTMLResponse(PAGE)

    async def redeem(self, request: Request) -> Response:
        """`{token}` → `{password}`, in base64 as Prefect's page keeps it. Raises NotFound for a used one."""
        if not self.tokens.redeem(await _token(request)):
            raise NotFound("the link was used already, or is too old", param="token", source="prefect")
        return JSONResponse({"password": self.password})

    async def make(self, request: Request) -> Response:
        """A token for who shows the auth string, as at Prefect's own API."""
        shown = request.headers.get("authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Basic {self.password}".encode()):
            raise Unauthorized("Prefect's auth string is needed", source="prefect")
        return JSONResponse({"token": self.tokens.make()}, 201)


ROUTES = {
    ("GET", SIGN_IN): SignIn.page,
    ("POST", SIGN_IN): SignIn.redeem,
    ("POST", f"/api{SIGN_IN_TOKENS}"): SignIn.make,
}


async def _token(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("the body is application/json", source="prefect")
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as exc:
        raise BadRequest("the body is not JSON", source="prefect", code="malformed_json") from exc
    token = body.get("token") if isinstance(body, dict) else None
    if not isinstance(token, str):
        raise BadRequest("a token is needed", source="prefect", param="token")
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
