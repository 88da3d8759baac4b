"""Sources that live, over HTTP: added, listed, looked at now, removed. Each is its owner's and acts for them.

What a source is and how Prefect keeps it is `tools/clients/sources.py`'s.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.local_sources import WITHIN, bounded
from servers.api.services import Services
from tools import trace
from tools.access.identity import Principal
from tools.clients.prefect import Run, open_prefect
from tools.clients.sources import FLOW, NewSource, Source, Sources

router = APIRouter(prefix="/v1/sources", tags=["sources"])


class SourceList(BaseModel):
    """The caller's sources, by name."""

    sources: list[Source]


class AddedSource(BaseModel):
    """A source that was added, and the run that looks at it for the first time: `GET /api/runs/{id}`."""

    source: Source
    run: Run


class RemovedSource(BaseModel):
    """A source that was removed; `run` deletes the documents that it brought, where that was asked for."""

    removed: str
    run: Run | None = None


@router.post("", status_code=201)
async def add(body: NewSource, services: ServicesDep, caller: CallerDep) -> AddedSource:
    """Keep a source up to date: a folder or file below `CAPIBARA6_INGEST__ROOTS`, a page, a sitemap, a feed,
    `s3://bucket/prefix`, `imaps://user@host/folder` or `webdavs://user@host/folder`.

    `every` (`15m`, `1h`, `7d`) says how often; without it `POST …/sync` does. The password is kept encrypted
    and never shown; for mail it may be a token (`Bearer …`, XOAUTH2). 409 when the name is taken."""
    parameters = bounded(FLOW, {"sources": [body.address]}, services.settings.ingest)
    async with _sources(services, caller) as sources:
        source, run = await sources.add(body, within=parameters[WITHIN])
    return AddedSource(source=source, run=run)


@router.get("")
async def all_sources(services: ServicesDep, caller: CallerDep) -> SourceList:
    """The caller's sources, each with its latest run."""
    async with _sources(services, caller) as sources:
        return SourceList(sources=await sources.all())


@router.get("/{name}")
async def one(name: str, services: ServicesDep, caller: CallerDep) -> Source:
    """One source, with its latest run."""
    async with _sources(services, caller) as sources:
        return await sources.get(name)


@router.post("/{name}/sync", status_code=202)
async def sync(name: str, services: ServicesDep, caller: CallerDep) -> Run:
    """Look at a source now; 409 while that is under way."""
    served = trace.current()
    request_id = served.request_id.decode() if served else ""
    async with _sources(services, caller) as sources:
        return await sources.sync(name, request_id=request_id)


@router.delete("/{name}")
async def remove(
    name: str,
    services: ServicesDep,
    caller: CallerDep,
    documents: Annotated[bool, Query(description="Delete what it has brought as well.")] = False,
) -> RemovedSource:
    """Forget a source; its documents stay, unless they are asked to go.

    A document that two sources bring belongs to the one that brought it when it last changed; deleted with
    that one, the other brings it again when it is next read."""
    async with _sources(services, caller) as sources:
        return RemovedSource(removed=name, run=await sources.remove(name, documents=documents))


@asynccontextmanager
async def _sources(services: Services, caller: Principal) -> AsyncIterator[Sources]:
    async with open_prefect(services.settings) as prefect:
        yield Sources(prefect, caller)
