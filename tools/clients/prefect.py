"""Client of Prefect's REST API: start a deployment's run, follow it, read what it left.

Plain HTTP: a door that only starts runs does not import Prefect, which costs a second and 80 MB.
"""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from tools.clients.http import Http, open_http
from tools.errors import BadRequest, Conflict, NotFound, NotSupported, Unavailable, UpstreamSilent
from tools.schema import JsonObject
from tools.settings import Settings

WORK_POOL = "local"
"""The pool of `prefect.yaml`, which our worker serves."""
INCOMPLETE = "Incomplete"
"""What a run calls its completed state when some of what it was given was refused."""
FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
POLL_S = 0.3
LAST_LINES_S = {"COMPLETED": 20.0, "FAILED": 20.0}
"""How long the last lines of a run may follow its state; one that was ended from outside may write none."""
FEW_LINES_S = 5.0
RETRIED_S = 30.0
"""Within that time an automation sends a run back that crashed at its first attempt."""
BUSY_WAITS = (0.2, 0.4, 0.8, 1.6)
TIMEOUT_S = 90.0
"""Prefect on SQLite lets a request wait 60 s while another writes: whoever leaves sooner learns nothing."""

SIGN_IN, SIGN_IN_TOKENS = "/sign-in", "/sign-in/tokens"
"""Our own page on Prefect's server, and where its API gives tokens for it."""

OnLog = Callable[[str, str], None]


class Run(BaseModel):
    """One flow run; `state` is Prefect's type of it (SCHEDULED, RUNNING, COMPLETED, FAILED, CRASHED…), times
    are ISO 8601."""

    id: str
    name: str
    state: str
    state_name: str = ""
    message: str = ""
    parameters: JsonObject = {}
    created: str | None = None
    started: str | None = None
    ended: str | None = None
    seconds: float = 0.0
    attempts: int = 0
    tags: list[str] = []

    @property
    def final(self) -> bool:
        """Whether the run has ended, well or not."""
        return self.state in FINAL


class Prefect:
    """Typed verbs over Prefect's API. Raises `tools.errors`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def health(self) -> None:
        """Returns when the server answers; raises `Unavailable` when it does not."""
        await self.http.json("GET", "/health")

    async def sign_in_link(self) -> str:
        """A link to Prefect's page that signs in whoever opens it first.

        Raises NotSupported for a server that is not ours."""
        try:
            made = await self.http.json("POST", SIGN_IN_TOKENS)
        except (NotFound, NotSupported) as exc:
            raise NotSupported("this Prefect server gives no links", source="prefect") from exc
        return f"{self.http.base_url.removesuffix('/api')}{SIGN_IN}#{made['token']}"

    async def deployments(self) -> list[JsonObject]:
        """Every deployment as Prefect describes it: name, schedules, tags, paused, …"""
        return await self.pages("/deployments/filter", {"sort": "NAME_ASC"})

    async def deployment(self, name: str) -> JsonObject:
        """`name` is `flow/deployment`, or one word when both are called the same."""
        flow, _, deployment = name.partition("/")
        path = f"/deployments/name/{quote(flow, safe='')}/{quote(deployment or flow, safe='')}"
        try:
            return await self.call("GET", path)
        except NotFound as exc:
            raise NotFound(f"there is no deployment {name!r}", source="prefect", param="deployment") from exc

    async def start(
        self,
        name: str,
        parameters: JsonObject | None = None,
        *,
        idempotency_key: str | None = None,
        tags: list[str] | None = None,
        environment: dict[str, str] | None = None,
        after_s: float = 0.0,
    ) -> Run:
        """Ask for a run, now or in a while; the same idempotency key answers with the same run.

        `environment` are variables of its process: for whom it acts, which request it serves."""
        deployment = await self.deployment(name)
        when = (datetime.now(UTC) + timedelta(seconds=after_s)).isoformat()
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": when}}
        request: JsonObject = {"parameters": parameters or {}, "state": state}
        if idempotency_key is not None:
            request["idempotency_key"] = idempotency_key
        if tags:
            request["tags"] = tags
        if environment:
            request["job_variables"] = {"env": environment}
        path = f"/deployments/{deployment['id']}/create_flow_run"
        try:
            return _run(await self.call("POST", path, json=request))
        except Conflict as exc:  # how Prefect says that the parameters break the flow's schema
            raise BadRequest(exc.message, source="prefect", param="parameters") from exc

    async def run(self, run_id: str) -> Run:
        """A run as it is now. Raises NotFound."""
        try:
            return _run(await self.call("GET", f"/flow_runs/{quote(run_id, safe='')}"))
        except NotFound as exc:
            raise NotFound(f"there is no run {run_id}", source="prefect", param="run") from exc

    async def acts_for(self, run_id: str) -> str:
        """For whom a run acts, as `settings.act_as` has it: as it was started, else as its deployment says;
        empty where neither does. Raises NotFound."""
        found = await self.call("GET", f"/flow_runs/{quote(run_id, safe='')}")
        own = _acts_for(found)
        if own or not found.get("deployment_id"):
            return own
        try:
            return _acts_for(await self.call("GET", f"/deployments/{found['deployment_id']}"))
        except NotFound:  # a source that was removed meanwhile
            return ""

    async def last_runs(self, deployment_ids: list[str]) -> dict[str, Run]:
        """The latest run of each deployment that has run, by deployment id."""

        async def last(deployment_id: str) -> list[JsonObject]:
            request = {
                "sort": "EXPECTED_START_TIME_DESC",
                "limit": 1,
                "deployments": {"id": {"any_": [deployment_id]}},
                "flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}},
            }
            return await self.call("POST", "/flow_runs/filter", json=request)

        found = await asyncio.gather(*map(last, deployment_ids))
        return {body["deployment_id"]: _run(body) for bodies in found for body in bodies}

    async def schedule(self, name: str, *, active: bool) -> int:
        """Make a deployment's schedules active or not; how many it has. Runs that are planned follow."""
        deployment = await self.deployment(name)
        for item in deployment["schedules"]:
            path = f"/deployments/{deployment['id']}/schedules/{item['id']}"
            await self.call("PATCH", path, json={"active": active})
        return len(deployment["schedules"])

    async def cancel(self, run_id: str) -> None:
        """Ask the worker to stop the run."""
        request = {"state": {"type": "CANCELLING"}, "force": False}
        await self.call("POST", f"/flow_runs/{quote(run_id, safe='')}/set_state", json=request)

    async def logs(self, run_id: str, *, skip: int = 0) -> list[JsonObject]:
        """Log records in the order they were written, from record `skip` on: level, message, timestamp."""
        request = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}
        return await self.pages("/logs/filter", request, skip=skip)

    async def artifacts(self, run_id: str) -> list[JsonObject]:
        """What the run left in Prefect's UI: key, type, data, description."""
        request = {"artifacts": {"flow_run_id": {"any_": [run_id]}}}
        return await self.call("POST", "/artifacts/filter", json=request)

    async def forget(self, run_id: str) -> None:
        """Delete a run with what it left in the UI; one that is gone already is as well."""
        for artifact in await self.artifacts(run_id):
            await self._delete(f"/artifacts/{artifact['id']}")
        await self._delete(f"/flow_runs/{quote(run_id, safe='')}")

    async def history(self, key: str, *, limit: int) -> list[JsonObject]:
        """The latest artifacts of one key, newest first, whichever run left them."""
        request = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": limit}
        return await self.call("POST", "/artifacts/filter", json=request)

    async def late(self, minutes: float) -> int:
        """How many runs should have started `minutes` ago and still wait."""
        before = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
        late = {"expected_start_time": {"before_": before}, "state": {"type": {"any_": ["SCHEDULED"]}}}
        return await self.call("POST", "/flow_runs/count", json={"flow_runs": late})

    async def wait(self, run_id: str, *, timeout: float, on_log: OnLog | None = None) -> Run:
        """Follow a run to its final state; `on_log(level, message)` gets each line once, in order.

        A first crash is not the end yet: the run has `RETRIED_S` to come back.
        Raises `UpstreamSilent` after `timeout` seconds; the run itself goes on.
        """
        deadline, seen, complete, ended = time.monotonic() + timeout, 0, on_log is None, 0.0
        while True:
            run = await self.run(run_id)
            if on_log is not None:
                for record in await self.logs(run_id, skip=seen):
                    seen += 1
                    complete = complete or _is_last(record)
                    on_log(LEVELS.get(record["level"], "info"), record["message"])
            if run.final:
                ended = ended or time.monotonic()
                if time.monotonic() >= ended + _pause(run, complete=complete):
                    return run
            else:
                ended = 0.0
                if time.monotonic() > deadline:
                    raise UpstreamSilent(f"the run is {run.state} after {timeout:.0f} s", source="prefect")
            await asyncio.sleep(POLL_S)

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """One request; a 503, which Prefect on SQLite answers while another writes, is tried again."""
        for wait in BUSY_WAITS:
            try:
                return await self._once(method, path, **request)
            except Unavailable:
                await asyncio.sleep(wait)
        return await self._once(method, path, **request)

    async def pages(self, path: str, request: JsonObject, *, skip: int = 0) -> list[JsonObject]:
        """Everything that a filter finds, from item `skip` on."""
        found: list[JsonObject] = []
        while True:
            page = {**request, "limit": 200, "offset": skip + len(found)}
            items = await self.call("POST", path, json=page)
            found += items
            if len(items) < 200:
                return found

    async def _delete(self, path: str) -> None:
        with suppress(NotFound):
            await self.call("DELETE", path)

    async def _once(self, method: str, path: str, **request: Any) -> Any:
        response = await self.http.send(method, path, **request)
        return response.json() if response.content else None


@asynccontextmanager
async def open_prefect(settings: Settings) -> AsyncIterator[Prefect]:
    """The client of Prefect's server with its auth string; connections live as long as the block."""
    auth = settings.prefect_auth
    shown = {"authorization": f"Basic {base64.b64encode(auth.encode()).decode()}"} if auth else {}
    async with open_http(settings.prefect_url, "prefect", headers=shown, timeout=TIMEOUT_S) as http:
        yield Prefect(http)


def _pause(run: Run, *, complete: bool) -> float:
    """How long after its end a run may still say or do something; lines come in batches, after the state."""
    if run.state == "CRASHED" and run.attempts == 1:
        return RETRIED_S
    return 0.0 if complete else LAST_LINES_S.get(run.state, FEW_LINES_S)


def _is_last(record: JsonObject) -> bool:
    """Whether it is what Prefect writes at the end of a run; one that was killed has no such line."""
    return record["name"] == "prefect.flow_runs" and record["message"].startswith("Finished in state")


def _acts_for(body: JsonObject) -> str:
    """What the variables of a run, or of a deployment's runs, say of it."""
    environment = (body.get("job_variables") or {}).get("env") or {}
    return str(environment.get("CAPIBARA6_ACT_AS") or "")


def _run(body: JsonObject) -> Run:
    state = body.get("state") or {}
    return Run(
        id=body["id"],
        name=body["name"],
        state=state.get("type") or "PENDING",
        state_name=state.get("name") or "",
        message=state.get("message") or "",
        parameters=body.get("parameters") or {},
        created=body.get("created"),
        started=body.get("start_time"),
        ended=body.get("end_time"),
        seconds=body.get("total_run_time") or 0.0,
        attempts=body.get("run_count") or 0,
        tags=body.get("tags") or [],
    )
