"""Registers deployments (`prefect.yaml`) and automations (`automations.yaml`) on a running Prefect server.

Again, and nothing changes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import import_module, metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NotRequired, TypedDict

import yaml
from prefect import Flow
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker

from tools.clients.prefect import Prefect, open_prefect
from tools.errors import Conflict, NotFound
from tools.schema import JsonObject
from tools.settings import Settings

DEPLOYMENTS = Path(__file__).parents[2] / "prefect.yaml"
AUTOMATIONS = Path(__file__).parent / "automations.yaml"
WARM_AFTER_S = 60.0


class Schedule(TypedDict):
    """When a deployment runs by itself; `slug` names it among the deployment's schedules."""

    slug: str
    cron: str
    timezone: str
    active: NotRequired[bool]
    parameters: NotRequired[JsonObject]


class ConcurrencyLimit(TypedDict):
    """How many runs of a deployment there are at once, and what becomes of one too many."""

    limit: int
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class WorkPool(TypedDict):
    """Where a deployment runs, and its variables there."""

    name: str
    job_variables: NotRequired[JsonObject]


class Declaration(TypedDict):
    """One deployment of `prefect.yaml`; `entrypoint` is `module:flow`."""

    name: str
    entrypoint: str
    description: str
    work_pool: WorkPool
    tags: NotRequired[list[str]]
    parameters: NotRequired[JsonObject]
    enforce_parameter_schema: NotRequired[bool]
    concurrency_limit: NotRequired[ConcurrencyLimit]
    schedules: NotRequired[list[Schedule]]


def read_deployments(path: Path = DEPLOYMENTS) -> list[Declaration]:
    """The deployments as `prefect.yaml` declares them. Raises `OSError`, `yaml.YAMLError`."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))["deployments"]


def load_flow(entrypoint: str) -> Flow[..., Any]:
    """The flow behind an entrypoint such as `flows.ingest:ingest`. Raises `ImportError`, `AttributeError`."""
    module, _, name = entrypoint.partition(":")
    return getattr(import_module(module), name)


async def deploy(settings: Settings) -> list[str]:
    """Create or update pools, deployments and automations; returns the names of those that changed.

    A deployment whose declaration did not change is left alone, with what operators set and what is
    already scheduled. One that changed keeps its schedules as active or paused as operators left them.
    """
    async with open_prefect(settings) as prefect:
        entries = read_deployments()
        await _create_pools(prefect, {entry["work_pool"]["name"] for entry in entries})
        changed = [entry["name"] for entry in entries if await _register(prefect, entry)]
        return changed + await _register_automations(prefect)


async def warm_once(
    settings: Settings, changed: Sequence[str], *, after_s: float = WARM_AFTER_S
) -> str | None:
    """After a deploy that changed something, one run of `warm`, when what was started has settled; its id.

    The same deploy asked for twice warms once.
    """
    if not changed:
        return None
    digest = hashlib.sha256(DEPLOYMENTS.read_bytes() + AUTOMATIONS.read_bytes()).hexdigest()[:12]
    key = f"deploy:{metadata.version('capibara6')}:{digest}"
    async with open_prefect(settings) as prefect:
        run = await prefect.start("warm", idempotency_key=key, tags=["deploy"], after_s=after_s)
    return run.id


def build_request(entry: Declaration, *, active: Mapping[str, bool] = MappingProxyType({})) -> JsonObject:
    """Prefect's request to make one deployment; `active` overrides its schedules by slug."""
    flow = load_flow(entry["entrypoint"])
    limit = entry.get("concurrency_limit")
    body: JsonObject = {
        "name": entry["name"],
        "entrypoint": entry["entrypoint"],
        "description": entry["description"],
        "tags": entry.get("tags", []),
        "parameters": entry.get("parameters", {}),
        "parameter_openapi_schema": {
            **parameter_schema(flow.fn).model_dump(mode="json"),
            "additionalProperties": False,
        },
        "enforce_parameter_schema": entry.get("enforce_parameter_schema", True),
        "work_pool_name": entry["work_pool"]["name"],
        "job_variables": entry["work_pool"].get("job_variables", {}),
        "concurrency_limit": limit["limit"] if limit else None,
        "schedules": [_schedule(item, active) for item in entry.get("schedules", [])],
    }
    if limit:
        body["concurrency_options"] = {"collision_strategy": limit["collision_strategy"]}
    return body


def _schedule(item: Schedule, active: Mapping[str, bool]) -> JsonObject:
    return {
        "slug": item["slug"],
        "active": active.get(item["slug"], item.get("active", True)),
        "schedule": {"cron": item["cron"], "timezone": item["timezone"], "day_or": True},
        "parameters": item.get("parameters", {}),
    }


async def _create_pools(prefect: Prefect, names: set[str]) -> None:
    template = ProcessWorker.get_default_base_job_template()
    for name in sorted(names):
        request = {"name": name, "type": ProcessWorker.type, "base_job_template": template}
        try:
            await prefect.call("POST", "/work_pools/", json=request)
        except Conflict:
            continue


async def _register(prefect: Prefect, entry: Declaration) -> bool:
    name = f"{load_flow(entry['entrypoint']).name}/{entry['name']}"
    try:
        known = await prefect.deployment(name)
    except NotFound:
        known = {}
    active = {item["slug"]: item["active"] for item in known.get("schedules", [])}
    request = build_request(entry, active=active)
    version = hashlib.sha256(json.dumps(build_request(entry), sort_keys=True).encode()).hexdigest()[:12]
    if known.get("version") == version:
        return False
    flow = await prefect.call("POST", "/flows/", json={"name": name.partition("/")[0]})
    await prefect.call("POST", "/deployments/", json={**request, "version": version, "flow_id": flow["id"]})
    return True


async def _register_automations(prefect: Prefect) -> list[str]:
    """Automations are known by name; the digest in their description says which declaration they are of."""
    known = {item["name"]: item for item in await prefect.call("POST", "/automations/filter", json={})}
    changed = []
    for wanted in yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))["automations"]:
        name, digest = wanted["name"], hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        current = known.get(name)
        body = {**wanted, "description": f"{wanted['description']} [{digest[:12]}]"}
        if current is None:
            await prefect.call("POST", "/automations/", json={"enabled": True, **body})
        elif current["description"] != body["description"]:
            body["enabled"] = current["enabled"]
            await prefect.call("PUT", f"/automations/{current['id']}", json=body)
        else:
            continue
        changed.append(name)
    return changed
