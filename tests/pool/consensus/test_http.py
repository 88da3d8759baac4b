import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.pool.consensus.client import LEVELS, QUESTION, open_consensus, streamed_text
from tests.pool.harness import make_settings, model, serving, until, write_catalog


@pytest.fixture
def consensus(tmp_path: Path) -> Callable[..., Any]:
    """`async with consensus({"small": {"says": "42"}, …}) as client`."""
    return partial(open_consensus, tmp_path)


@pytest.mark.parametrize("stream", [True, False])
async def test_fault_21_all_fail_is_a_502_with_each_reason(consensus: Any, stream: bool) -> None:
    script = {"small": {"status": 500}, "middle": {"status": 500}, "big": {"status": 503}}
    async with consensus(script) as client:
        body = {"model": "consensus", "messages": QUESTION, "stream": stream}
        async with client.http.post(f"{client.base}/v1/chat/completions", json=body) as response:
            assert response.status == 502
            error = (await response.json())["error"]
        assert error["code"] == "consensus_failed"
        assert all(f"{name}: " in error["message"] for name in script)


async def test_stream_tells_members_first_and_then_tokens_as_they_are_produced(consensus: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "son cuarenta y dos", "gap_s": 0.05},
    }
    async with consensus(script) as client:
        events = await client.stream()
        kinds = [event["capibara6"]["event"] for event in events if "capibara6" in event]
        assert kinds == ["member", "member", "member", "consensus"]
        first_token = next(
            place for place, event in enumerate(events) if event["choices"][0]["delta"].get("content")
        )
        assert sum("capibara6" in event for event in events[:first_token]) == 2
        assert streamed_text(events) == "son cuarenta y dos"
        assert sum(bool(event["choices"][0]["delta"].get("content")) for event in events) == 4
        assert events[-1]["consensus"]["answered_by"] == "big"


async def test_tokens_reach_the_client_before_the_answer_is_whole(consensus: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "uno dos tres", "gap_s": 0.3},
    }
    async with consensus(script) as client:
        body = {"model": "consensus", "messages": QUESTION, "stream": True}
        async with client.http.post(f"{client.base}/v1/chat/completions", json=body) as response:
            async for line in response.content:
                if b'"uno ' in line:
                    assert client.engine.running == 1
                    break


async def test_stream_that_breaks_after_the_first_token_ends_as_an_error(consensus: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "uno dos tres", "breaks_after": 1},
    }
    async with consensus(script) as client:
        events = await client.stream()
        assert "error" in events[-1]
        assert not any(event.get("consensus") for event in events)


async def test_client_that_leaves_stops_every_model(consensus: Any) -> None:
    slow = {"says": "a b c", "gap_s": 5}
    async with consensus({"small": slow, "middle": slow, "big": slow}) as client:
        request = asyncio.ensure_future(client.complete("vote"))
        await until(lambda: client.engine.running == 3)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        await until(lambda: client.engine.running == 0)


async def test_budget_bounds_members_and_tokens(consensus: Any) -> None:
    script = {name: {"says": "42"} for name in LEVELS}
    async with consensus(script, max_members=2, max_tokens=300) as client:
        _, answer, _ = await client.complete("vote", max_members=8, max_tokens=5_000)
        assert len(client.engine.requests) == 2
        assert sum(request["max_tokens"] for request in client.engine.requests) <= 300
        assert len(answer["consensus"]["left_out"]) == 2


async def test_bad_options_and_tools_are_refused_before_anybody_is_asked(consensus: Any) -> None:
    async with consensus({"small": {"says": "42"}}) as client:
        assert (await client.complete("majority"))[0] == 400
        assert (await client.complete(members=["nobody"]))[0] == 404
        body = {"model": "consensus", "messages": QUESTION, "tools": [{"type": "function"}]}
        async with client.http.post(f"{client.base}/v1/chat/completions", json=body) as response:
            assert response.status == 400
        assert client.engine.requests == []


async def test_stats_route_and_models_show_consensus(consensus: Any) -> None:
    script = {"small": {"says": "42"}, "middle": {"says": "42"}, "big": {"says": "42"}}
    async with consensus(script) as client:
        await client.complete()
        async with client.http.get(f"{client.base}/stats") as response:
            used = (await response.json())["consensus"]
        assert (used["requests"], used["agreed"], used["closed"], used["wins"]) == (1, 1, 0, {"middle": 1})
        async with client.http.post(f"{client.base}/v1/route", json={"messages": QUESTION}) as response:
            shown = (await response.json())["consensus"]
        assert (shown["closer"], shown["strategy"]) == ("big", "cascade")
        async with client.http.get(f"{client.base}/v1/models") as response:
            assert "consensus" in [row["id"] for row in (await response.json())["data"]]


async def test_a_member_that_is_not_loaded_is_never_waited_for_unless_told(
    tmp_path: Path, journal: Path
) -> None:
    """An engine that takes an hour to load would keep the answer for as long as it may."""
    models = {
        "small": model(journal, domain="general", level=1),
        "big": model(journal, domain="expert", level=3, knobs={"load_s": 3600}),
    }
    catalog = write_catalog(tmp_path / "models.toml", models, consensus={})
    settings = make_settings(tmp_path / "home", catalog)
    async with serving(settings) as (base, _), aiohttp.ClientSession() as http:
        body = {"model": "consensus", "messages": QUESTION}
        async with http.post(f"{base}/v1/chat/completions", json=body) as response:
            assert response.status == 503
            assert "consensus.load" in (await response.json())["error"]["message"]
        async with http.post(f"{base}/v1/models/small/load") as response:
            assert response.status == 200
        async with http.post(f"{base}/v1/chat/completions", json=body) as response:
            said = (await response.json())["consensus"]
            assert (response.status, said["answered_by"]) == (200, "small")
            assert said["left_out"]["big"].startswith("not loaded")
    assert "start big" not in journal.read_text()
