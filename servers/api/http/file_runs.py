"""Files that are no plain text: a run of flow `ingest` reads them, for whoever uploaded them.

The flow fetches the file from this API (`flows/ingestion/connectors/upload.py`), so it may run anywhere.
"""

import json
import re
from contextlib import suppress
from typing import Final

from servers.api.http import flow_runs
from servers.api.services import Services
from servers.api.stored.files import FileRow
from servers.api.stored.ingestions import IngestionRow, Ingestions
from tools.access.identity import Principal
from tools.clients.prefect import Prefect, Run, open_prefect
from tools.errors import CollectionNotFound, NotFound, Unavailable
from tools.schema import JsonObject

FLOW: Final = "ingest"
REASON_CHARS: Final = 1_000
NAME_CHARS: Final = 120
_ODD: Final = re.compile(r"[^\w.()-]")


def address_of(row: FileRow) -> str:
    """What its documents call the file that they came from: `upload://file-…/informe.pdf`; no character of
    it means something else in an address. Pure."""
    return f"upload://{row.file_id}/{_ODD.sub('_', row.filename)[-NAME_CHARS:]}"


async def begin(services: Services, caller: Principal, row: FileRow) -> None:
    """Ask for the run that reads a file. Raises what Prefect's client raises."""
    parameters: JsonObject = {"sources": [address_of(row)], "collection": row.collection, "within": []}
    run = await flow_runs.start(
        services, caller, FLOW, parameters, key=f"file:{row.file_id}", tags=["upload"]
    )
    await _ingestions(services).keep(IngestionRow(file_id=row.file_id, run_id=run.id))


async def followed(services: Services, row: FileRow) -> tuple[FileRow, str | None]:
    """The file as its run has left it by now, and why it was refused, if it was."""
    ingestion = await _ingestions(services).get(row.file_id)
    if ingestion is None or row.status != "uploaded":
        return row, ingestion.reason if ingestion and ingestion.reason else None
    try:
        async with open_prefect(services.settings) as prefect:
            await prefect.health()  # its other calls are tried for seconds before they say that it is away
            run = await _run(prefect, ingestion.run_id)
            if not run.final:
                return row, None
            reason = _refusal(await prefect.artifacts(run.id))
    except Unavailable:  # nobody can say now; the file is there all the same
        return row, None
    if run.state == "COMPLETED" and not reason:
        return await services.files.mark(row.file_id, "processed"), None
    ingestion.reason = (reason or run.message or run.state)[:REASON_CHARS]
    await _ingestions(services).keep(ingestion)
    return await services.files.mark(row.file_id, "error"), ingestion.reason


async def _run(prefect: Prefect, run_id: str) -> Run:
    """The run; one that Prefect has forgotten is as good as broken."""
    try:
        return await prefect.run(run_id)
    except NotFound:
        return Run(id=run_id, name="", state="CRASHED", message="the run is not known any more")


async def forget(services: Services, row: FileRow) -> None:
    """Delete every document that a file became when a run read it, and what is known of that run."""
    if await _ingestions(services).get(row.file_id) is None:
        return
    bridge = services.clients.bridge
    with suppress(NotFound, CollectionNotFound):
        held = await bridge.documents(collection=row.collection, sources=[address_of(row)])
        for document in held:
            with suppress(NotFound):
                await bridge.delete(document["id"], collection=row.collection)
    await _ingestions(services).delete(row.file_id)


def _ingestions(services: Services) -> Ingestions:
    return Ingestions(services.files.engine)


def _refusal(artifacts: list[JsonObject]) -> str:
    """The first reason in a run's table of what became of each document; empty where all were taken. Pure."""
    for artifact in artifacts:
        if artifact.get("type") != "table":
            continue
        data = artifact.get("data")
        rows = json.loads(data) if isinstance(data, str) else data
        for row in rows or []:
            if row.get("status") == "failed":
                return str(row.get("reason") or "")
    return ""
