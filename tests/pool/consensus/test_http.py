import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.pool.harness import until
from tests.pool.panel import LEVELS, QUESTION, open_panel, streamed


@pytest.fixture
def panel(tmp_path: Path) -> Callable[..., Any]:
    """`async with panel({"small": {"says": "42"}, …}) as ask`."""
    return partial(open_panel, tmp_path)


@pytest.mark.parametrize("stream", [True, False])
async def test_fault_21_all_fail_is_a_502_with_each_reason(panel: Any, stream: bool) -> None:
    script = {"small": {"status": 500}, "middle": {"status": 500}, "big": {"status": 503}}
    async with panel(script) as ask:
        body = {"model": "consensus", "messages": QUESTION, "stream": stream}
        async with ask.http.post(f"{ask.base}/v1/chat/completions", json=body) as response:
            assert response.status == 502
            said = (await response.json())["error"]
        assert said["code"] == "consensus_failed"
        assert all(f"{name}: " in said["message"] for name in script)


async def test_stream_tells_members_first_and_then_tokens_as_they_are_produced(panel: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "son cuarenta y dos", "gap_s": 0.05},
    }
    async with panel(script) as ask:
        events = await ask.events()
        told = [event["capibara6"]["event"] for event in events if "capibara6" in event]
        assert told == ["member", "member", "member", "consensus"]
        first_token = next(
            place for place, event in enumerate(events) if event["choices"][0]["delta"].get("content")
        )
        assert sum("capibara6" in event for event in events[:first_token]) == 2
        assert streamed(events) == "son cuarenta y dos"
        assert sum(bool(event["choices"][0]["delta"].get("content")) for event in events) == 4
        assert events[-1]["consensus"]["answered_by"] == "big"


async def test_tokens_reach_the_client_before_the_answer_is_whole(panel: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "uno dos tres", "gap_s": 0.3},
    }
    async with panel(script) as ask:
        body = {"model": "consensus", "messages": QUESTION, "stream": True}
        async with ask.http.post(f"{ask.base}/v1/chat/completions", json=body) as response:
            async for line in response.content:
                if b'"uno ' in line:
                    assert ask.engine.running == 1
                    break


async def test_stream_that_breaks_after_the_first_token_ends_as_an_error(panel: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "uno dos tres", "breaks_after": 1},
    }
    async with panel(script) as ask:
        events = await ask.events()
        assert "error" in events[-1]
        assert not any(event.get("consensus") for event in events)


async def test_client_that_leaves_stops_every_model(panel: Any) -> None:
    slow = {"says": "a b c", "gap_s": 5}
    async with panel({"small": slow, "middle": slow, "big": slow}) as ask:
        asking = asyncio.ensure_future(ask.whole("vote"))
        await until(lambda: ask.engine.running == 3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until(lambda: ask.engine.running == 0)


async def test_budget_bounds_members_and_tokens(panel: Any) -> None:
    script = {name: {"says": "42"} for name in LEVELS}
    async with panel(script, max_members=2, max_tokens=300) as ask:
        _, answer, _ = await ask.whole("vote", max_members=8, max_tokens=5_000)
        assert len(ask.engine.asked) == 2
        assert sum(request["max_tokens"] for request in ask.engine.asked) <= 300
        assert len(answer["consensus"]["left_out"]) == 2


async def test_bad_options_and_tools_are_refused_before_anybody_is_asked(panel: Any) -> None:
    async with panel({"small": {"says": "42"}}) as ask:
        assert (await ask.whole("majority"))[0] == 400
        assert (await ask.whole(members=["nobody"]))[0] == 404
        body = {"model": "consensus", "messages": QUESTION, "tools": [{"type": "function"}]}
        async with ask.http.post(f"{ask.base}/v1/chat/completions", json=body) as response:
            assert response.status == 400
        assert ask.engine.asked == []


async def test_stats_route_and_models_show_consensus(panel: Any) -> None:
    script = {"small": {"says": "42"}, "middle": {"says": "42"}, "big": {"says": "42"}}
    async with panel(script) as ask:
        await ask.whole()
        async with ask.http.get(f"{ask.base}/stats") as response:
            used = (await response.json())["consensus"]
        assert (used["requests"], used["agreed"], used["closed"], used["wins"]) == (1, 1, 0, {"middle": 1})
        async with ask.http.post(f"{ask.base}/v1/route", json={"messages": QUESTION}) as response:
            shown = (await response.json())["consensus"]
        assert (shown["closer"], shown["strategy"]) == ("big", "cascade")
        async with ask.http.get(f"{ask.base}/v1/models") as response:
            assert "consensus" in [row["id"] for row in (await response.json())["data"]]
