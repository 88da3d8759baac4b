"""Signing in at the page through an OpenID Connect provider: authorization code with PKCE (RFC 7636).

What a sign-in has to remember (state, nonce, verifier, where to go on) is in a signed cookie of ten minutes.
The tokens of the provider are verified by `servers/web/oidc.py` and not kept.
"""

import base64
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from servers.web.oidc import Provider
from tools.access.external import Person, person_of
from tools.errors import BadRequest, Capibara6Error, Conflict, Forbidden, NotFound, Unauthorized
from tools.log import get_logger
from tools.schema import JsonObject
from tools.settings import Settings
from ui.access.account_pages import failure_page, language_of
from ui.access.cookies import SIGN_IN, CookieJar, own_origin
from ui.access.identity import Visitors
from ui.access.sign_in import own_page
from ui.messages import say

log = get_logger("sign_in")

START: Final = "/login/provider"
CALLBACK: Final = "/login/provider/callback"
PENDING_S: Final = 600
ABSENT: Final = ("access_denied", "login_required", "consent_required", "interaction_required")
"""Errors of the provider that say that the person did not go on."""


@dataclass(frozen=True)
class Pending:
    """One sign-in under way; `ends_at` in Unix seconds."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    next: str
    ends_at: float


def build_router(settings: Settings, visitors: Visitors) -> APIRouter:
    """`/login/provider` and its callback; 404 where no provider is set."""
    router = APIRouter()
    cookie = CookieJar(settings, SIGN_IN, path=START)

    def known() -> Provider:
        found = visitors.identity.provider
        if not isinstance(found, Provider):
            raise NotFound("no provider is set (CAPIBARA6_OIDC__ISSUER)", source="ui")
        return found

    @router.get(START)
    async def start(request: Request, next: str = "/") -> Response:
        origin, next = own_origin(request, settings), own_page(next)
        try:
            pending = _begin(f"{origin}{CALLBACK}", next)
            response = RedirectResponse(await _authorization_url(known(), pending), 303)
        except NotFound:
            raise
        except Capibara6Error as exc:
            return _failed(request, settings, exc)
        cookie.write(request, response, _packed(pending), seconds=PENDING_S)
        return response

    @router.get(CALLBACK)
    async def callback(request: Request) -> Response:
        origin = own_origin(request, settings)
        try:
            pending = _returned(cookie.read(request), request, known(), origin)
            person = await _exchange(known(), pending, request.query_params["code"])
            response: Response = RedirectResponse(pending.next, 303)
            await visitors.sign_in_external(person, request, response)
        except NotFound:
            raise
        except Capibara6Error as exc:
            response = _failed(request, settings, exc)
        cookie.delete(request, response)
        return response

    return router


def _begin(redirect_uri: str, next: str) -> Pending:
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Pending(state, nonce, verifier, redirect_uri, next, time.time() + PENDING_S)


async def _authorization_url(provider: Provider, pending: Pending) -> str:
    settings = provider.settings
    return prepare_grant_uri(
        await provider.endpoint("authorization_endpoint"),
        client_id=settings.client_id,
        response_type="code",
        redirect_uri=pending.redirect_uri,
        scope=settings.scope,
        state=pending.state,
        nonce=pending.nonce,
        code_challenge=create_s256_code_challenge(pending.verifier),
        code_challenge_method="S256",
    )


def _returned(text: str | None, request: Request, provider: Provider, origin: str) -> Pending:
    """The sign-in that this answer of the provider's belongs to. Raises Unauthorized for none."""
    given = request.query_params
    pending = _unpacked(text) if text else None
    if pending is None or time.time() > pending.ends_at:
        raise _refused("no sign-in is under way in this browser")
    if not hmac.compare_digest(given.get("state", "").encode(), pending.state.encode()):
        raise _refused("the state is another")
    if given.get("iss", provider.issuer) != provider.issuer:
        raise _refused("another provider answers")
    if pending.redirect_uri != f"{origin}{CALLBACK}":
        raise _refused("it began under another name")
    if "error" in given:
        code = "provider_denied" if given["error"] in ABSENT else None
        raise _refused(f"the provider says {given['error'][:100]}", code=code)
    if not given.get("code"):
        raise _refused("there is no code")
    return pending


async def _exchange(provider: Provider, pending: Pending, code: str) -> Person:
    """The person behind a code. Raises Unauthorized, Forbidden, Unavailable."""
    fields, auth = await _client_auth(provider)
    form = fields | {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": pending.redirect_uri,
        "code_verifier": pending.verifier,
    }
    address = await provider.endpoint("token_endpoint")
    status, answer = await provider.fetch("POST", address, data=form, auth=auth)
    token = answer.get("id_token")
    if status != 200 or not isinstance(token, str):
        raise _refused(f"the provider gave no token: HTTP {status} {str(answer.get('error'))[:100]}")
    claims = await provider.verify(token, audience=provider.settings.client_id)
    if not hmac.compare_digest(str(claims.get("nonce")).encode(), pending.nonce.encode()):
        raise _refused("the token was made for another sign-in")
    return person_of(await _complete(provider, claims, answer), provider.settings)


async def _client_auth(provider: Provider) -> tuple[JsonObject, httpx.Auth | None]:
    """How the client shows who it is (RFC 6749, 2.3.1): fields of the form, or a header."""
    client, secret = provider.settings.client_id, provider.settings.client_secret
    if secret is None:
        return {"client_id": client}, None
    if "client_secret_basic" in await provider.offered("token_endpoint_auth_methods", "client_secret_basic"):
        return {}, httpx.BasicAuth(quote(client, safe=""), quote(secret.get_secret_value(), safe=""))
    return {"client_id": client, "client_secret": secret.get_secret_value()}, None


async def _complete(provider: Provider, claims: JsonObject, answer: JsonObject) -> JsonObject:
    """The claims; what we read of them and the token lacks, as the provider's user info has it."""
    wanted = {provider.settings.user_claim, provider.settings.groups_claim}
    if all(name.partition(".")[0] in claims or name in claims for name in wanted):
        return claims
    try:
        address = await provider.endpoint("userinfo_endpoint")
    except Capibara6Error:
        return claims
    headers = {"authorization": f"Bearer {answer.get('access_token')}"}
    status, info = await provider.fetch("GET", address, headers=headers)
    if status != 200 or info.get("sub") != claims["sub"]:
        raise _refused(f"the provider's user info is of no use: HTTP {status}")
    return {**info, **claims}


def _packed(pending: Pending) -> str:
    return base64.urlsafe_b64encode(json.dumps(asdict(pending)).encode()).rstrip(b"=").decode()


def _unpacked(text: str) -> Pending:
    """What `_packed` made; the cookie's signature says that it is ours."""
    values: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return Pending(**values)


def _failed(request: Request, settings: Settings, exc: Capibara6Error) -> Response:
    """The person reads what to do, the log what it was."""
    log.warning("provider_sign_in_refused", code=exc.code, reason=exc.message)
    if exc.code == "provider_denied":
        key = exc.code
    elif isinstance(exc, Forbidden):
        key = "no_role"
    elif isinstance(exc, Conflict):
        key = "name_taken"
    elif isinstance(exc, Unauthorized | BadRequest):
        key = "provider_refused"
    else:
        key = "provider_away"
    language = language_of(request, settings.language)
    return failure_page(language, say(key, language), status=exc.status)


def _refused(reason: str, *, code: str | None = None) -> Unauthorized:
    return Unauthorized(f"the sign-in is not accepted: {reason}", source="ui", code=code or "invalid_token")
