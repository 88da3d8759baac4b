"""Fault 7 whole: what was with an engine when it died is never sent again, and kills no third engine."""

import asyncio
import json

import pytest

from servers.pool.upstream import quarantine
from servers.pool.upstream.backend import UpstreamRequest
from servers.pool.upstream.quarantine import Quarantine
from tests.pool.harness import model
from tests.pool.upstream.test_fallback import answered, remote
from tools.errors import BadRequest

POISON = {"core_dies": True}


async def test_fault_07_a_dead_core_behind_a_living_front_is_502_and_nobody_else_is_asked(
    open_client, journal
):
    slow_to_load = model(journal, attempts=4, fallbacks=["b"])
    async with open_client({"a": slow_to_load, "b": model(journal)}) as client:
        status, said = await client.chat("a", POISON)
        error = said["error"]
        assert (status, error["code"], error["type"]) == (502, "engine_died", "upstream_error")
        assert len(client.written("core")) == len(client.written("start")) == 1
        assert (await client.chat("a"))[0] == 200, "the next request finds a new engine"
        assert client.written("start", "b") == []


async def test_a_request_that_two_engines_died_of_is_refused_before_a_third_is_started(open_client, journal):
    async with open_client({"a": model(journal), "b": model(journal)}) as client:
        for _ in range(2):
            status, said = await client.chat("a", POISON)
            assert (status, said["error"]["code"]) == (502, "engine_died")
        body = {"model": "b", "messages": [{"role": "user", "content": json.dumps(POISON)}], "seed": 7}
        async with client.http.post(f"{client.base}/v1/chat/completions", json=body) as response:
            assert response.status == 400
            assert (await response.json())["error"]["code"] == "poisonous_request"
            assert 0 < int(response.headers["retry-after"]) <= 600
        assert (await client.chat("a"))[0] == 200
        assert len(client.written("start", "a")) == 3 and client.written("start", "b") == []


async def test_who_was_with_the_engine_by_chance_is_acquitted_by_its_next_answer(open_client, journal):
    poison, innocent = {"die_after_n": 2, "tok_s": 0.1}, {"tokens": 9, "tok_s": 0.1}
    async with open_client({"a": model(journal)}) as client:
        both = await asyncio.gather(client.chat("a", innocent), client.chat("a", poison))
        assert [said["error"]["code"] for _, said in both] == ["engine_died"] * 2
        both = await asyncio.gather(client.chat("a", innocent), client.chat("a", poison))
        assert [status for status, _ in both] == [200, 502], "each was alone in its turn"
        assert (await client.chat("a", innocent))[0] == 200
        assert (await client.chat("a", poison))[0] == 400


async def test_suspects_are_asked_one_at_a_time(monkeypatch):
    monkeypatch.setattr(quarantine, "TURN_S", 0.05)
    suspects = Quarantine()
    suspects.died(request("x"), "a#1", 0.0)
    assert suspects.admit(request("x"), 1.0) and not suspects.admit(request("y"), 1.0)
    release = await suspects.turn()
    with pytest.raises(Exception, match="tried first"):
        await suspects.turn()
    release()
    release()
    (await suspects.turn())()


def test_many_copies_at_one_death_are_suspects_and_not_convicted():
    suspects = Quarantine()
    for now in (1.0, 1.2, 3.0):
        suspects.died(request("x"), "http://one", now)
    assert suspects.admit(request("x"), 4.0)
    suspects.died(request("x"), "http://two", 5.0)
    with pytest.raises(BadRequest, match="2 engines died"):
        suspects.admit(request("x"), 6.0)
    assert not suspects.admit(request("x"), 5.0 + quarantine.KEPT_S), "nothing is held against it for ever"


async def test_a_request_that_broke_a_replica_is_not_tried_on_the_next(open_client, journal):
    async with remote(journal, "well") as well:

        async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[0])
            writer.close()

        asked: list[bytes] = []
        async with await asyncio.start_server(breaks, "127.0.0.1", 0) as server:
            sick = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            models = {"m": {"backend": "openai", "urls": [sick, well], "attempts": 4}}
            async with open_client(models) as client:
                codes = [(await client.chat("m", {"tokens": n}))[0] for n in range(1, 13)]
        assert 1 <= codes.count(502) == asked.count(b"POST") <= 3, "then its circuit is open"
        assert answered(journal, "well") == codes.count(200) == len(codes) - codes.count(502)


def request(text: str) -> UpstreamRequest:
    return UpstreamRequest("/v1/completions", {"model": "m", "prompt": text}, b"")
