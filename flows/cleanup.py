"""Flow `cleanup`: old runs, their reports, logs and results; by default it only says what would go."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeAlias

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.operations.messages import say
from tools.clients.prefect import FINAL, Prefect, open_prefect
from tools.errors import NotFound
from tools.schema import JsonObject
from tools.settings import Settings, load_settings

Days: TypeAlias = Annotated[int, Field(ge=1, le=3_650)]


@dataclass(frozen=True)
class Removal:
    """How many of a kind (runs, reports, logs, results) go, and their bytes; 0 when they are not files."""

    kind: str
    count: int
    bytes: int = 0


@flow(name="cleanup", flow_run_name="cleanup")
async def cleanup(
    dry_run: bool = True, run_days: Days = 30, log_days: Days = 30, result_days: Days = 7
) -> State[list[Removal]]:
    """Borra ejecuciones, informes y registros antiguos. · Remove old runs, reports and logs.

    Args:
        dry_run: only say what would go.
        run_days: finished runs, and reports, older than this.
        log_days: log files that nobody has written to for this long.
        result_days: Prefect's stored results older than this.
    """
    settings, log = load_settings(), get_run_logger()
    async with open_prefect(settings) as prefect:
        removed = [
            Removal("runs", await _runs(prefect, run_days, dry_run=dry_run)),
            Removal("reports", await _reports(prefect, run_days, dry_run=dry_run)),
        ]
    for kind, files in old_files(settings, log_days=log_days, result_days=result_days):
        removed.append(await asyncio.to_thread(_files, kind, files, dry_run=dry_run))
    await acreate_table_artifact([asdict(item) for item in removed], key="cleanup")
    key = "would_clean" if dry_run else "cleaned"
    total = sum(item.bytes for item in removed)
    parts = ", ".join(f"{item.count} {say(item.kind, settings.language)}" for item in removed)
    message = say(key, settings.language, parts=parts, size=round(total / 2**20, 1))
    log.info(message)
    return Completed(message=message, data=removed)


def old_files(settings: Settings, *, log_days: int, result_days: int) -> Iterator[tuple[str, list[Path]]]:
    """`(kind, files)` below the data directory that are old enough to go; a log in use is written to,
    so it is not."""
    home = settings.home.absolute()
    yield "logs", _older(settings.log_dir, log_days)
    yield "results", _older(home / "prefect" / "storage", result_days)


def _older(folder: Path, days: int) -> list[Path]:
    limit = time.time() - days * 86_400
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if path.stat().st_mtime < limit)


def _files(kind: str, files: list[Path], *, dry_run: bool) -> Removal:
    size = sum(path.stat().st_size for path in files)
    if not dry_run:
        for path in files:
            path.unlink(missing_ok=True)
    return Removal(kind, len(files), size)


async def _runs(prefect: Prefect, days: int, *, dry_run: bool) -> int:
    """Finished runs that ended before; Prefect removes their logs and task runs with them."""
    ended = {"end_time": {"before_": _before(days)}, "state": {"type": {"any_": sorted(FINAL)}}}
    request = {"flow_runs": ended}
    if dry_run:
        return await prefect.call("POST", "/flow_runs/count", json=request)
    return await _delete(prefect, "/flow_runs", request)


async def _reports(prefect: Prefect, days: int, *, dry_run: bool) -> int:
    """Artifacts that were made before; the newest of each key stay, since they are what flows remember."""
    newest = {item["latest_id"] for item in await prefect.pages("/artifacts/latest/filter", {})}
    old = {"sort": "CREATED_DESC", "limit": 200, "offset": 0}
    count, limit = 0, _before(days)
    while page := await prefect.call("POST", "/artifacts/filter", json=old):
        stale = [item["id"] for item in page if item["created"] < limit and item["id"] not in newest]
        for artifact in [] if dry_run else stale:
            await _delete_one(prefect, f"/artifacts/{artifact}")
        count += len(stale)
        old["offset"] += len(page) - (0 if dry_run else len(stale))
    return count


async def _delete(prefect: Prefect, path: str, request: JsonObject) -> int:
    count = 0
    while page := await prefect.call("POST", f"{path}/filter", json={**request, "limit": 200}):
        for item in page:
            await _delete_one(prefect, f"{path}/{item['id']}")
        count += len(page)
    return count


async def _delete_one(prefect: Prefect, path: str) -> None:
    try:
        await prefect.call("DELETE", path)
    except NotFound:
        return  # somebody else was quicker


def _before(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat().replace("+00:00", "Z")
