"""LangGraph's crons over HTTP, which are refused: what runs at its hour here is a deployment of Prefect's."""

from fastapi import APIRouter

from tools.errors import NotSupported

router = APIRouter(tags=["runs"])
WHY = "runs are not scheduled over this API: schedule a deployment in Prefect that posts to /runs"


@router.post("/runs/crons")
@router.post("/threads/{thread_id}/runs/crons")
@router.post("/runs/crons/search")
@router.post("/runs/crons/count")
@router.patch("/runs/crons/{cron_id}")
@router.delete("/runs/crons/{cron_id}")
async def refuse(thread_id: str | None = None, cron_id: str | None = None) -> None:
    """Refused by name."""
    raise NotSupported(WHY, param="schedule", source="api", code="crons_not_supported")
