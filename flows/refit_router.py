"""Flow `refit_router`: every house's correction of the router is fitted anew to its feedback.

The pool keeps the feedback, fits and judges (`servers/pool/routing/correction.py`); this asks it to.
"""

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.operations.messages import say
from tools.clients.pool import open_pool
from tools.schema import JsonObject
from tools.settings import load_settings


@flow(name="refit_router", flow_run_name="refit_router")
async def refit_router() -> State[list[JsonObject]]:
    """Ajusta el enrutador a las opiniones de cada casa. · Fit the router to each house's feedback."""
    settings, log = load_settings(), get_run_logger()
    async with open_pool(settings) as pool:
        houses = await pool.refit_router()
    rows = [_row(house) for house in houses]
    await acreate_table_artifact(rows, key="refit-router")
    used = sum(bool(row["kind"] or row["difficulty"]) for row in rows)
    message = say("refitted", settings.language, used=used, houses=len(rows))
    log.info(message)
    return Completed(message=message, data=houses)


def _row(house: JsonObject) -> JsonObject:
    """A house's line of the report: how much it said, and which parts of its correction are in use."""
    return {
        "tenant": house["tenant"],
        "events": house["events"],
        "kind": house["kind"]["used"],
        "difficulty": house["difficulty"]["used"],
    }
