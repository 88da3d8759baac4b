from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.pool.harness import HI, make_settings, serving, write_catalog

PATH = "/v1/route/feedback"


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    models = {name: {"backend": "extractive", "domain": name} for name in ("general", "technical", "expert")}
    auto = {"default": "general", "last": "general"}
    return make_settings(tmp_path / "home", write_catalog(tmp_path / "models.toml", models, auto))


async def _call(base: str, method: str, path: str = PATH, **fields: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, base + path, json=fields or None) as response,
    ):
        return response.status, await response.json()


def _asked(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"dime algo {'muy ' * (number % 9)}alegre {'x' * (number // 9)}"}]


async def test_feedback_moves_the_next_decision_and_reset_takes_it_back(settings: Any) -> None:
    async with serving(settings) as (base, _):
        _, before = await _call(base, "POST", "/v1/route", messages=HI)
        for number in range(60):
            said = {"messages": _asked(number), "signal": "escalated", "model": "general", "better": "expert"}
            status, _ = await _call(base, "POST", **said)
            assert status == 200
        _, unfitted = await _call(base, "POST", "/v1/route", messages=HI)
        _, fitted = await _call(base, "POST", f"{PATH}/refit")
        _, after = await _call(base, "POST", "/v1/route", messages=HI)
        _, seen = await _call(base, "GET")
        _, gone = await _call(base, "DELETE")
        _, reset = await _call(base, "POST", "/v1/route", messages=HI)
    assert (before["wanted"], unfitted["wanted"]) == ("general", "general")
    assert fitted["houses"] == [seen]
    assert (seen["kind"]["used"], seen["difficulty"]["used"]) == (True, True)
    assert after["wanted"] == "expert"
    assert after["difficulty"] > before["difficulty"]
    assert "house" in after["signals"]
    assert (gone["events"], gone["correction"]) == (0, None)
    assert reset == before


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"messages": HI, "signal": "love", "model": "general"}, 400, "feedback.signal"),
        ({"messages": HI, "signal": "up"}, 400, "feedback.model"),
        ({"messages": HI, "signal": "up", "model": "general", "more": 1}, 400, "feedback.more"),
        ({"messages": [], "signal": "up", "model": "general"}, 400, "messages"),
        ({"signal": "up", "model": "general"}, 400, "messages"),
        ({"messages": HI, "signal": "up", "model": "nobody"}, 404, "model"),
    ],
)
async def test_feedback_that_means_nothing_is_told_so(
    settings: Any, fields: Any, status: int, param: str
) -> None:
    async with serving(settings) as (base, _):
        found, error = await _call(base, "POST", **fields)
    assert (found, error["error"]["param"]) == (status, param)
