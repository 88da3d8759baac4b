"""Signing in and out with name and password, and a person's own sessions: the routes.

What a session is says `ui/access/identity.py`; through a provider one signs in with `ui/access/oidc.py`.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from tools.errors import BadRequest
from tools.schema import JsonObject
from tools.settings import Settings
from ui.access.account_pages import language_of, sessions_page, sign_in_page
from ui.access.identity import Visitors, visit_of
from ui.access.page_access import CONVERSATION, PAGES, SIGN_IN_PATH


class SignIn(BaseModel):
    """What a person enters; `next` is one of our pages."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256)
    next: str = "/"


def build_router(settings: Settings, visitors: Visitors) -> APIRouter:
    """`/login`, `/logout` and `/sessions` for people; `/api/session` and `/api/sessions` for their pages."""
    router = APIRouter()
    _add_sign_in(router, settings, visitors)
    _add_own_sessions(router, settings, visitors)
    return router


def own_page(path: str) -> str:
    """`path`, if it is a page of ours: nobody is led anywhere else. Raises BadRequest."""
    if path not in PAGES and not CONVERSATION.fullmatch(path):
        raise BadRequest("next is no page of this place", param="next", source="ui", code="invalid_value")
    return path


def _add_sign_in(router: APIRouter, settings: Settings, visitors: Visitors) -> None:
    @router.get(SIGN_IN_PATH)
    async def page(request: Request, next: str = "/") -> Response:
        language, next = language_of(request, settings.language), own_page(next)
        if visitors.is_open:
            return RedirectResponse(next, 303)
        return sign_in_page(language, next, provider=settings.oidc.issuer is not None)

    @router.post(SIGN_IN_PATH)
    async def sign_in(given: SignIn, request: Request) -> Response:
        response = JSONResponse({"next": own_page(given.next)})
        await visitors.sign_in(given.user, given.password, request, response)
        return response

    @router.post("/logout", status_code=204)
    async def sign_out(request: Request) -> Response:
        response, own = Response(status_code=204), visitors.own_session(request)
        if own is not None:
            await visitors.end_session(own, visit_of(request).principal)
        visitors.cookie.delete(request, response)
        return response


def _add_own_sessions(router: APIRouter, settings: Settings, visitors: Visitors) -> None:
    @router.get("/sessions")
    async def page(request: Request) -> Response:
        principal = visit_of(request).principal
        found, own = await visitors.sessions(principal), visitors.own_session(request)
        return sessions_page(language_of(request, settings.language), principal.user, found, own=own)

    @router.get("/api/session")
    async def session(request: Request) -> JsonObject:
        principal, own = visit_of(request).principal, visitors.own_session(request)
        return {"tenant": principal.tenant, "user": principal.user, "role": principal.role, "id": own}

    @router.get("/api/sessions")
    async def sessions(request: Request) -> JsonObject:
        return {"sessions": await visitors.sessions(visit_of(request).principal)}

    @router.delete("/api/sessions/{session_id}", status_code=204)
    async def end(session_id: str, request: Request) -> Response:
        await visitors.end_session(session_id, visit_of(request).principal)
        return Response(status_code=204)
