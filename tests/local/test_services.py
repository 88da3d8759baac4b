"""What runs is healthy only when it says so itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request

from servers.local.services import HEARTBEAT_S, planned_services
from tests.serving import serving
from tools.settings import Settings


@pytest.mark.parametrize(("age_s", "lives"), [(5.0, True), (HEARTBEAT_S + 60, False), (None, False)])
def test_a_worker_that_hangs_is_not_healthy_though_prefect_is(
    settings: Settings, age_s: float | None, lives: bool
) -> None:
    """A stopped process keeps its pid; what ends is its heartbeat."""
    app, asked = FastAPI(), list[str]()

    @app.get("/api/health")
    async def health() -> bool:
        return True

    @app.post("/api/work_pools/local/workers/filter")
    async def workers(request: Request) -> list[dict[str, Any]]:
        asked.append(request.headers.get("authorization", ""))
        beat = None if age_s is None else (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat()
        return [{"name": "capibara6", "status": "ONLINE", "last_heartbeat_time": beat}]

    found = {service.name: service for service in planned_services(settings)}
    with serving(app, settings.ports.prefect):
        assert found["prefect"].healthy()
        assert found["worker"].healthy() is lives
    assert asked[0].startswith("Basic ")
    assert not found["worker"].healthy(), "Prefect is away"
