"""Runs at their hours: each cron is a deployment of flow `scheduled_run` on Prefect's server, which keeps
what is run, its schedule and whose it is. There is no table of it here.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel

from tools.access.identity import ROLES, SCOPES, Principal
from tools.clients.prefect import Prefect
from tools.clients.sources import owner_of, owner_tag, personal
from tools.errors import BadRequest, Forbidden, NotFound, Unavailable
from tools.schema import JsonObject

FLOW, TAG, SLUG = "scheduled_run", "cron", "cron"
MOST = 50
"""Crons that one person may have."""


class Plan(BaseModel):
    """What is run when: `schedule` is a cron expression of five fields in `timezone` (UTC without one),
    `payload` a run as `POST /runs` takes it, `end_time` in UTC."""

    payload: JsonObject
    schedule: str
    timezone: str | None = None
    thread_id: str | None = None
    end_time: datetime | None = None
    on_run_completed: Literal["delete", "keep"] | None = None
    enabled: bool = True


class Cron(Plan):
    """A cron as it is kept; `next_run_date` is None until Prefect has planned it, which takes it some
    seconds, and where nothing is planned."""

    cron_id: str
    assistant_id: str
    user_id: str | None = None
    metadata: JsonObject = {}
    next_run_date: datetime | None = None
    created_at: datetime
    updated_at: datetime


class Crons:
    """The crons that one person may see: their own; for the platform, everybody's. Raises `tools.errors`."""

    def __init__(self, prefect: Prefect, caller: Principal) -> None:
        self.prefect, self.caller = prefect, caller

    async def create(self, plan: Plan) -> Cron:
        """Keep a cron. Raises Forbidden beyond `MOST`, BadRequest for a schedule that is none."""
        made = await self._write(plan, f"{TAG}.{uuid4().hex}")
        if len(await self._all(owner_tag(self.caller))) > MOST:  # counted with it: two at once see each other
            await self.delete(made.cron_id)
            raise Forbidden(f"a person may have {MOST} crons", source="api", code="too_many_crons")
        return made

    async def all(self) -> list[Cron]:
        """Every one, in no order."""
        found = await self._all(None if self.caller.platform else owner_tag(self.caller))
        planned = await self._planned([item["id"] for item in found])
        return [_cron(item, planned.get(item["id"])) for item in found]

    async def get(self, cron_id: str) -> Cron:
        """One of them. Raises NotFound, also for another's."""
        found = await self._find(cron_id)
        return _cron(found, (await self._planned([cron_id])).get(cron_id))

    async def update(self, cron_id: str, plan: Plan) -> Cron:
        """Put `plan` in its place; whose it is stays."""
        found = await self._find(cron_id)
        return await self._write(plan, found["name"], found)

    async def delete(self, cron_id: str) -> None:
        """Forget it, with the runs that are planned; one under way goes on."""
        await self._find(cron_id)
        await self.prefect.call("DELETE", f"/deployments/{cron_id}")

    async def _write(self, plan: Plan, name: str, kept: JsonObject | None = None) -> Cron:
        """Make the deployment `name`, or with `kept` write over it."""
        request = personal(await self._model(), acting(self.caller))
        tags = [TAG, owner_tag(self.caller)]
        if kept and self.caller.platform:
            tags, request["job_variables"] = kept["tags"], kept["job_variables"]
        timing = {"cron": plan.schedule, "timezone": plan.timezone or "UTC", "day_or": True}
        active = plan.enabled and not (plan.end_time and plan.end_time <= datetime.now(UTC))
        request |= {
            "name": name,
            "tags": tags,
            "description": plan.schedule,
            "parameters": {
                "run": plan.payload,
                **plan.model_dump(mode="json", include={"thread_id", "end_time"}, exclude_none=True),
            },
            "schedules": [{"slug": SLUG, "active": active, "schedule": timing}],
        }
        try:
            made = await self.prefect.call("POST", "/deployments/", json=request)
        except BadRequest as exc:  # a field out of its range: the request's own shape was looked at before
            raise BadRequest(
                f"{plan.schedule!r} is no schedule", param="schedule", source="prefect", code="invalid_value"
            ) from exc
        return _cron(made, None)

    async def _model(self) -> JsonObject:
        try:
            return await self.prefect.deployment(FLOW)
        except NotFound as exc:
            why = f"this Prefect server has no deployment {FLOW}: `capibara6 up` registers it"
            raise Unavailable(why, source="prefect") from exc

    async def _all(self, owner: str | None) -> list[JsonObject]:
        chosen = {"tags": {"all_": [TAG, owner] if owner else [TAG]}}
        return await self.prefect.pages("/deployments/filter", {"deployments": chosen, "sort": "NAME_ASC"})

    async def _find(self, cron_id: str) -> JsonObject:
        missing = NotFound(f"there is no cron {cron_id}", param="cron_id", source="api")
        try:
            found = await self.prefect.call("GET", f"/deployments/{cron_id}")
        except NotFound as exc:
            raise missing from exc
        mine = self.caller.platform or owner_tag(self.caller) in found["tags"]
        if TAG not in found["tags"] or not mine:
            raise missing
        return found

    async def _planned(self, ids: list[str]) -> dict[str, datetime]:
        """When each is run next, as Prefect has planned it."""
        if not ids:
            return {}
        chosen = {"deployment_id": {"any_": ids}, "state": {"type": {"any_": ["SCHEDULED"]}}}
        request = {"flow_runs": chosen, "sort": "EXPECTED_START_TIME_ASC"}
        found: dict[str, datetime] = {}
        for run in await self.prefect.pages("/flow_runs/filter", request):
            found.setdefault(run["deployment_id"], datetime.fromisoformat(run["expected_start_time"]))
        return found


def acting(caller: Principal) -> Principal:
    """Who a cron's runs act as: the caller, with the widest role that is within the scopes of what they
    showed. Pure. Raises Forbidden."""
    if caller.platform:
        return caller
    within = [role for role in ROLES if SCOPES[role] <= caller.scopes]
    if not within:
        raise Forbidden("a cron needs a key that may read and write", source="api")
    return replace(caller, role=within[-1])


def _cron(body: JsonObject, planned: datetime | None) -> Cron:
    parameters, item = body["parameters"], body["schedules"][0]
    run, end = parameters["run"], parameters.get("end_time")
    ends = datetime.fromisoformat(end) if end else None
    if planned is not None and ends is not None and planned >= ends:
        planned = None
    return Cron(
        cron_id=body["id"],
        assistant_id=run["assistant_id"],
        user_id=owner_of(body["tags"]),
        payload=run,
        metadata=run.get("metadata", {}),
        schedule=item["schedule"]["cron"],
        timezone=item["schedule"]["timezone"],
        thread_id=parameters.get("thread_id"),
        end_time=ends,
        on_run_completed=run.get("on_completion"),
        enabled=item["active"],
        next_run_date=planned if item["active"] else None,
        created_at=body["created"],
        updated_at=body["updated"],
    )
