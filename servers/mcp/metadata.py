"""What an MCP client is told of how to get in: metadata of a protected resource (RFC 9728), and where it is.

It lets nobody in. The address is the first public name of the settings, else this machine's own.
"""

from typing import Final

from fastapi import FastAPI

from tools.access.identity import SCOPES
from tools.schema import JsonObject
from tools.settings import Settings

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
PATHS: Final = (WELL_KNOWN, f"{WELL_KNOWN}/mcp")
"""Both are open: the second is where a client looks that knows the resource alone (RFC 9728, 3.1)."""


def base_url(settings: Settings) -> str:
    """Where clients reach the server; a public name is behind TLS."""
    return f"https://{settings.names[0]}" if settings.names else settings.mcp_url.removesuffix("/mcp")


def challenge(settings: Settings) -> bytes:
    """The `WWW-Authenticate` of a 401 (RFC 9728, 5.1)."""
    return f'Bearer resource_metadata="{base_url(settings)}{WELL_KNOWN}"'.encode()


def add_metadata(app: FastAPI, settings: Settings) -> None:
    """Serve the metadata on `PATHS`."""

    async def metadata() -> JsonObject:
        issuer = settings.oidc.issuer
        return {
            "resource": f"{base_url(settings)}/mcp",
            **({"authorization_servers": [issuer]} if issuer else {}),
            "scopes_supported": sorted(SCOPES["admin"]),
            "bearer_methods_supported": ["header"],
            "resource_name": "capibara6",
        }

    for path in PATHS:
        app.add_api_route(path, metadata, methods=["GET"], tags=["access"])
