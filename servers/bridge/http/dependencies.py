"""FastAPI dependencies of the routes: the accounts, the audit entry, the caller within a scope.

A caller is only had by naming the scope that the route needs, and the services only from a caller
(`http/caller.py`), so no route can forget to ask.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from servers.bridge.access.accounts import Accounts
from servers.bridge.access.audit import AuditEntry
from servers.bridge.http.caller import Caller
from tools.access.identity import Principal, Scope
from tools.errors import Forbidden


async def accounts_of(request: Request) -> Accounts:
    """Keys, users and sessions, as the lifespan made them."""
    return request.app.state.accounts


async def audit_entry_of(request: Request) -> AuditEntry:
    """The request's own entry, which the authenticator made."""
    return request.state.audit_entry


async def principal_of(request: Request) -> Principal:
    """Whoever it is."""
    return request.state.principal


async def service_of(request: Request) -> Principal:
    """The principal, when it is the platform itself. Raises Forbidden."""
    principal: Principal = request.state.principal
    if not principal.platform:
        raise Forbidden("this is for the platform's own services", source="bridge")
    return principal


async def service_caller_of(request: Request) -> Caller:
    """As `service_of`, with the services."""
    return Caller(await service_of(request), request.app.state.services)


def principal_with(scope: Scope) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency: the principal, when it has `scope`. Raises Forbidden, which names the scope."""

    async def check(request: Request) -> Principal:
        principal: Principal = request.state.principal
        if scope not in principal.scopes:
            raise Forbidden(f"this needs a key with the scope {scope}", source="bridge")
        return principal

    return check


def caller_with(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: the caller, when it has `scope`."""
    check = principal_with(scope)

    async def caller(request: Request) -> Caller:
        return Caller(await check(request), request.app.state.services)

    return caller


AccountsDep = Annotated[Accounts, Depends(accounts_of)]
AuditDep = Annotated[AuditEntry, Depends(audit_entry_of)]
ReadCaller = Annotated[Caller, Depends(caller_with("read"))]
WriteCaller = Annotated[Caller, Depends(caller_with("write"))]
OperateCaller = Annotated[Caller, Depends(caller_with("operate"))]
AdminCaller = Annotated[Caller, Depends(caller_with("admin"))]
ReadPrincipal = Annotated[Principal, Depends(principal_with("read"))]
AdminPrincipal = Annotated[Principal, Depends(principal_with("admin"))]
AnyPrincipal = Annotated[Principal, Depends(principal_of)]
ServicePrincipal = Annotated[Principal, Depends(service_of)]
ServiceCaller = Annotated[Caller, Depends(service_caller_of)]
