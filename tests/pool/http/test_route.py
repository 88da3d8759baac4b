from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.pool.harness import HI, make_settings, model, serving, write_catalog

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    """A pool of four fake engines, one for each domain; only the general one can call no tools."""
    catalog = write_catalog(
        tmp_path / "models.toml",
        {
            "small": model(domain="general", abilities=["schema"]),
            "middle": model(domain="technical", abilities=["schema", "tools"]),
            "coder": model(domain="coding"),
            "big": model(domain="expert", abilities=["schema", "tools", "images"]),
        },
        {"default": "small", "last": "small"},
    )
    return make_settings(tmp_path / "home", catalog)


async def route(url: str, headers: dict[str, str] | None = None, **fields: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{url}/v1/route", json={"messages": HI, **fields}, headers=headers) as response,
    ):
        return response.status, await response.json()


async def test_decision_tells_difficulty_and_obeys_the_wish_for_quality(settings: Any) -> None:
    async with serving(settings) as (url, _):
        _, usual = await route(url)
        _, best = await route(url, {"x-capibara6-quality": "1"})
        _, cheap = await route(url, {"x-capibara6-quality": "1"}, route={"quality": 0})
        wrong, error = await route(url, {"x-capibara6-quality": "high"})
    assert usual["wanted"] == "small"
    assert 0 <= usual["difficulty"] < 0.5
    assert best["wanted"] == "big"
    assert cheap["wanted"] == "small"
    assert (wrong, error["error"]["param"]) == (400, "x-capibara6-quality")


async def test_request_with_tools_or_a_picture_goes_to_a_model_that_can(settings: Any) -> None:
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    async with serving(settings) as (url, _):
        _, tools = await route(url, tools=TOOLS)
        _, seen = await route(url, messages=picture)
    assert tools["model"] in ("middle", "big")
    assert seen["model"] == "big"
