"""`/config.js`: what a web client needs to know of the platform; addresses and features, never a secret."""

import json
from importlib.metadata import version

from fastapi import APIRouter, Request, Response

from servers.api.http.dependencies import ServicesDep
from tools.schema import JsonObject
from tools.settings import Settings

router = APIRouter(tags=["web"])
PATH = "/config.js"
MEDIA_TYPE = "text/javascript"
PATHS = {
    "chat": "/v1/chat/completions",
    "models": "/v1/models",
    "saveConversation": "/api/save-conversation",
    "saveLead": "/api/save-lead",
    "runs": "/api/runs",
    "threads": "/threads",
}
"""Of the agent API itself."""


@router.get(PATH, response_class=Response, responses={200: {"content": {MEDIA_TYPE: {}}}})
async def config_js(request: Request, services: ServicesDep) -> Response:
    """A script that sets `window.CAPIBARA6_CONFIG`; open to everybody, for a page asks it before a sign-in.

    A page of `CAPIBARA6_ORIGINS` loads it with `<script crossorigin src=…>`: it says who asks."""
    config = json.dumps(web_config(services.settings, str(request.base_url)))
    text = f"window.CAPIBARA6_CONFIG = {config};\n"
    headers = {"cache-control": "no-cache", "cross-origin-resource-policy": "cross-origin"}
    return Response(text, media_type=f"{MEDIA_TYPE}; charset=utf-8", headers=headers)


def web_config(settings: Settings, base: str) -> JsonObject:
    """`base`, as the page called the API, is where everything is asked; behind the proxy with a public name
    speech, MCP and the bridge have paths there, else ports of their own."""
    public = f"https://{settings.names[0]}" if settings.names else None
    root = public or base.rstrip("/")
    elsewhere = {
        "speech": f"{root}/tts" if public else settings.speech_url,
        "mcp": f"{root}/mcp" if public else settings.mcp_url,
        "bridge": f"{root}/bridge" if public else settings.bridge_url,
    }
    return {
        "version": version("capibara6"),
        "language": settings.language,
        "endpoints": {"api": root, **{name: root + path for name, path in PATHS.items()}, **elsewhere},
        "features": {
            "signIn": settings.api_key is not None,
            "openIdConnect": settings.oidc.issuer is not None,
            "webhooksSigned": settings.webhooks.secret is not None,
            "speech": True,
        },
        "limits": {"bodyBytes": settings.limits.body_bytes, "questionChars": settings.limits.question_chars},
    }
