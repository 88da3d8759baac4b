"""What a route may ask of its request: the open stores, the audit's entry, and the caller within a scope.

A tenant is only had by naming the scope that the route needs, so no route can forget to ask.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from servers.bridge.access.audit import Entry
from servers.bridge.access.keys import Caller, Keys
from servers.bridge.services import Stores
from tools.errors import Forbidden


async def opened(request: Request) -> Stores:
    return request.app.state.stores


async def keyring(request: Request) -> Keys:
    return request.app.state.keys


async def entry_of(request: Request) -> Entry:
    return request.state.entry


def caller_with(scope: str) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: the caller, when it has `scope`. Raises Forbidden, which names it."""

    async def check(request: Request) -> Caller:
        caller: Caller = request.state.caller
        if scope not in caller.scopes:
            raise Forbidden(f"this needs a key with the scope {scope}", source="bridge")
        return caller

    return check


def tenant_with(scope: str) -> Callable[[Request], Awaitable[str]]:
    """A dependency: the caller's tenant, when it has `scope`."""
    check = caller_with(scope)

    async def tenant(request: Request) -> str:
        return (await check(request)).tenant

    return tenant


Open = Annotated[Stores, Depends(opened)]
Keyring = Annotated[Keys, Depends(keyring)]
Noted = Annotated[Entry, Depends(entry_of)]
Reads = Annotated[str, Depends(tenant_with("read"))]
Writes = Annotated[str, Depends(tenant_with("write"))]
Reader = Annotated[Caller, Depends(caller_with("read"))]
Admin = Annotated[Caller, Depends(caller_with("admin"))]
