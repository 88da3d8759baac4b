"""Flow runs that a caller asks for: they act for the caller, carry its request's id, and only it sees them.

What a run was asked for is in its tags; for whom it acts, in its environment. No secret is in either.
"""

from servers.api.services import Services
from tools import trace
from tools.access.identity import Principal
from tools.clients.credentials import act_as
from tools.clients.prefect import Run, open_prefect
from tools.clients.sources import owner_tag
from tools.errors import NotFound
from tools.schema import JsonObject


async def start(
    services: Services,
    caller: Principal,
    deployment: str,
    parameters: JsonObject,
    *,
    key: str | None,
    tags: list[str],
) -> Run:
    """Ask for a run of a deployment; the same `key` of the same caller answers with the same run."""
    served = trace.current()
    request_id = served.request_id.decode() if served else ""
    environment = {"CAPIBARA6_REQUEST_ID": request_id} if request_id else {}
    if not caller.platform:
        environment["CAPIBARA6_ACT_AS"] = act_as(caller)
    marks = [*tags, owner_tag(caller), *([f"request:{request_id}"] if request_id else [])]
    async with open_prefect(services.settings) as prefect:
        return await prefect.start(
            deployment,
            parameters,
            idempotency_key=f"{owner_tag(caller)}:{key}" if key else None,
            tags=marks,
            environment=environment,
        )


async def find(services: Services, caller: Principal, run_id: str) -> Run:
    """A run that the caller has asked for, or any for the platform. Raises NotFound."""
    async with open_prefect(services.settings) as prefect:
        run = await prefect.run(run_id)
    if not caller.platform and owner_tag(caller) not in run.tags:
        raise NotFound(f"there is no run {run_id}", source="prefect", param="run")
    return run
