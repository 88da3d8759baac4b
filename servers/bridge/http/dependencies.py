"""FastAPI dependencies of the routes: the services, the API keys, the audit entry, the caller within a scope.

A tenant is only had by naming the scope that the route needs, so no route can forget to ask.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from servers.bridge.access.audit import AuditEntry
from servers.bridge.access.keys import ApiKeys, Principal
from servers.bridge.services import Services
from tools.errors import Forbidden


async def services_of(request: Request) -> Services:
    """What the lifespan opened."""
    return request.app.state.services


async def keys_of(request: Request) -> ApiKeys:
    """The API keys, as the lifespan made them."""
    return request.app.state.keys


async def audit_entry_of(request: Request) -> AuditEntry:
    """The request's own entry, which the authenticator made."""
    return request.state.audit_entry


def principal_with(scope: str) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency: the principal, when it has `scope`. Raises Forbidden, which names the scope."""

    async def check(request: Request) -> Principal:
        principal: Principal = request.state.principal
        if scope not in principal.scopes:
            raise Forbidden(f"this needs a key with the scope {scope}", source="bridge")
        return principal

    return check


def tenant_with(scope: str) -> Callable[[Request], Awaitable[str]]:
    """A dependency: the principal's tenant, when it has `scope`."""
    check = principal_with(scope)

    async def tenant(request: Request) -> str:
        return (await check(request)).tenant

    return tenant


ServicesDep = Annotated[Services, Depends(services_of)]
ApiKeysDep = Annotated[ApiKeys, Depends(keys_of)]
AuditDep = Annotated[AuditEntry, Depends(audit_entry_of)]
ReadTenant = Annotated[str, Depends(tenant_with("read"))]
WriteTenant = Annotated[str, Depends(tenant_with("write"))]
ReadPrincipal = Annotated[Principal, Depends(principal_with("read"))]
AdminPrincipal = Annotated[Principal, Depends(principal_with("admin"))]
