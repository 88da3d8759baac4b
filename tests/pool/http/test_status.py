"""What the pool says about itself: models, statistics, metrics, and a health that can fail."""

import time

from servers.pool.scheduling.instance import Phase
from tests.pool.harness import HI, model


async def test_stats_tell_what_runs_and_what_was_served(open_client, journal):
    async with open_client({"a": model(journal, pinned=True), "b": model(journal)}) as client:
        await client.until(lambda: client.instance("a").phase is Phase.READY)
        await client.chat("b")
        await client.stream("b", stream_options={"include_usage": True})
        said = (await client.get("/stats"))[1]
        row = said["models"]["b"]
        assert (row["state"], row["loads"], row["requests"], row["failed_requests"]) == ("ready", 1, 2, 0)
        assert (row["prompt_tokens"], row["completion_tokens"]) == (6, 10)
        assert row["pid"] and row["port"] and row["load_seconds"] > 0 and row["memory"] > 0
        assert said["models"]["a"]["pinned"] and said["slots"] == {"total": 3, "used": 2}
        assert [event["event"] for event in said["events"]][:2] == ["starting", "ready"]
        async with client.http.get(f"{client.base}/metrics") as response:
            text = await response.text()
        assert 'http_requests_total{route="/v1/chat/completions",status="200"} 2.0' in text
        assert 'http_request_duration_seconds_bucket{le="300.0"} ' in text
        assert 'capibara6_build_info{service="pool",' in text
        assert "\nprocess_open_fds " in text
        assert 'pool_model_loaded{model="b"} 1.0' in text
        assert 'pool_tokens_total{kind="completion",model="b"} 10.0' in text


async def test_the_speed_that_stats_tell_is_what_a_client_sees(open_client, journal):
    """An engine that thinks for .3 s and then writes 9 tokens at once is not a fast one."""
    async with open_client({"a": model(journal, knobs={"ttft_s": 0.3, "tokens": 9})}) as client:
        await client.post("/v1/models/a/load")
        await client.stream("a", stream_options={"include_usage": True})
        row = (await client.get("/stats"))[1]["models"]["a"]
        assert 0 < row["tokens_per_second"] <= 9 / 0.3
        assert row["answer_seconds"] >= row["first_token_seconds"] >= 0.3


async def test_an_engine_hears_the_ids_of_the_request_that_it_serves(open_client, journal, tmp_path):
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    engine = model(journal, knobs={"ids": str(tmp_path / "ids")})
    async with open_client({"a": engine}) as client:
        ask = {"model": "a", "messages": HI}
        for headers in ({"x-request-id": "pregunta-7"}, {"traceparent": parent}):
            url = f"{client.base}/v1/chat/completions"
            async with client.http.post(url, json=ask, headers=headers) as response:
                assert response.status == 200
    assert (tmp_path / "ids").read_text().splitlines() == ["pregunta-7 None", f"{'ab' * 16} {parent}"]


async def test_evictions_are_counted_and_explained(open_client, journal):
    async with open_client({"a": model(journal), "b": model(journal)}, max_loaded=1) as client:
        await client.chat("a")
        await client.chat("b")
        said = (await client.get("/stats"))[1]
        assert said["models"]["a"]["evictions"] == 1
        assert any(event.get("why") == "room for b" for event in said["events"])


async def test_health_is_down_when_something_is_stuck_and_says_what(open_client, journal):
    async with open_client({"a": model(journal)}) as client:
        assert (await client.get("/health"))[1]["status"] == "ok"
        instance = client.instance("a")
        instance.enter(Phase.STOPPING, time.monotonic() - 1000)
        status, said = await client.get("/health/ready")
        assert status == 503 and "stopping for 1000 s" in said["problems"][0]
        instance.enter(Phase.COLD, time.monotonic())
        client.pool.clock.ticked_at -= 100
        status, said = await client.get("/health")
        assert status == 200 or "clock stands still" in said["problems"][0]
        assert (await client.get("/health/live"))[0] == 200


async def test_health_names_a_model_that_can_not_load(open_client, journal):
    async with open_client({"a": model(journal, knobs={"fail_load": 1})}) as client:
        await client.chat("a")
        status, said = await client.get("/health")
        assert (status, said["status"], said["failed_models"]) == (200, "degraded", ["a"])
        assert (await client.get("/v1/models/a"))[1]["status"] == "failed"


async def test_every_answer_carries_a_request_id(open_client):
    async with open_client({"m": {"backend": "extractive"}}) as client:
        for path in ("/health", "/v1/models", "/nowhere"):
            async with client.http.get(client.base + path, headers={"x-request-id": "mine-1"}) as response:
                assert response.headers["x-request-id"] == "mine-1"
        async with client.http.get(client.base + "/nowhere", headers={"x-request-id": "a b"}) as response:
            assert response.headers["x-request-id"] != "a b"
            assert (await response.json())["error"]["code"] == "not_found"
