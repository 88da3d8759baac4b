"""The nightly refit asks a real pool, which keeps and judges every house's feedback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.refit_router import refit_router
from servers.pool.feedback import Feedback
from servers.pool.main import build_app
from servers.pool.routing.classifier import DOMAINS, Classification
from tests.pool.harness import write_catalog
from tests.serving import serving
from tools.settings import Settings

SHIPPED = Classification(dict(zip(DOMAINS, (0.6, 0.3, 0.05, 0.05), strict=True)), 0.2, {})


@pytest.fixture
def feedback(prefect: Settings, tmp_path: Path) -> Iterator[Feedback]:
    """What two houses have said of a running pool: one often and the same, the other hardly anything."""
    catalog = write_catalog(tmp_path / "models.toml", {"e": {"backend": "extractive"}})
    pool = prefect.pool.model_copy(update={"catalog": catalog})
    settings = prefect.model_copy(update={"home": tmp_path / "home", "pool": pool})
    feedback = Feedback(settings.home / "routing")
    for number in range(60):
        shipped = SHIPPED._replace(difficulty=0.1 + number / 1_000)
        feedback.record("often", shipped, "down", domain="general")
    feedback.record("hardly", SHIPPED, "down", domain="general")
    with serving(build_app(settings), settings.ports.pool):
        yield feedback


async def test_every_house_is_fitted_and_only_what_wins_is_used(run, feedback: Feedback) -> None:
    state = await run(refit_router)
    houses = {house["tenant"]: house for house in await state.aresult()}
    assert state.message == "1 de 2 casas, corregidas"
    assert houses["often"]["difficulty"]["used"]
    assert not houses["hardly"]["difficulty"]["used"]
    kept = Feedback(feedback.folder)
    assert kept.correction("often").offset > 1
    assert kept.correction("hardly").offset == 0
