"""Faults of running engines: they die, fall silent, ignore signals, talk nonsense."""

import asyncio
import json
import os
import resource
import signal
import socket
from pathlib import Path

import pytest

from servers.pool.engines import process
from servers.pool.scheduling.instance import Phase
from tests.pool.harness import Client, model


def last_event(said: bytes) -> dict:
    return json.loads(said.strip().split(b"\n\n")[-1].removeprefix(b"data: "))


async def kill_engine(client: Client, name: str) -> None:
    watchdog = client.pool.lifecycle.engines[name].process.pid
    os.kill(process.children(watchdog)[0], signal.SIGKILL)


async def test_fault_07_killing_the_engine_mid_stream_ends_the_stream_with_one_error_event(
    open_client, journal
):
    async with open_client({"a": model(journal, knobs={"tokens": 100, "tok_s": 0.05})}) as client:
        body = {"model": "a", "stream": True, "messages": [{"role": "user", "content": "x"}]}
        async with client.http.post(f"{client.base}/v1/chat/completions", json=body) as response:
            first = await response.content.readany()
            await kill_engine(client, "a")
            said = first + await response.content.read()
        assert response.status == 200 and b"[DONE]" not in said and b'"stop"' not in said
        error = last_event(said)["error"]
        assert (error["type"], error["source"]) == ("upstream_error", "engine") and error["code"]
        assert (await client.chat("a", {"tok_s": 0.0}))[0] == 200, "the next request reloads the model"


async def test_fault_07_killing_the_engine_mid_answer_is_502(open_client, journal):
    async with open_client({"a": model(journal, knobs={"tokens": 100, "tok_s": 0.05})}) as client:
        answer = asyncio.ensure_future(client.chat("a"))
        await client.until(lambda: client.written("begin"))
        await kill_engine(client, "a")
        status, body = await answer
        assert (status, body["error"]["type"]) == (502, "upstream_error")
        assert (await client.chat("a", {"tok_s": 0.0}))[0] == 200


@pytest.mark.parametrize("after", range(4))
async def test_an_engine_that_exits_after_n_tokens_is_an_error_however_early(open_client, journal, after):
    async with open_client({"a": model(journal)}) as client:
        status, said = await client.stream("a", {"die_after_n": after, "tok_s": 0.02})
        if status == 200:
            assert last_event(said)["error"]["type"] == "upstream_error"
        else:
            assert status == 502
        assert (await client.chat("a"))[0] == 200


async def test_fault_10_an_engine_without_tokens_is_an_error_and_twice_a_restart(open_client, journal):
    async with open_client({"a": model(journal)}, first_token_s=1.0) as client:
        for _ in range(2):
            status, said = await client.stream("a", {"hang_at": 0})
            assert status == 504 and json.loads(said)["error"]["code"] == "upstream_silent"
        assert (await client.chat("a"))[0] == 200
        assert len(client.written("start")) == 2


async def test_an_engine_that_stops_between_tokens_ends_the_stream_with_an_error(open_client, journal):
    async with open_client({"a": model(journal)}, between_tokens_s=0.3) as client:
        status, said = await client.stream("a", {"hang_at": 2, "tokens": 5})
        assert status == 200 and b"[DONE]" not in said
        assert last_event(said)["error"]["type"] == "timeout_error"


async def test_fault_11_a_deaf_engine_and_its_grandchild_do_not_survive(open_client, journal):
    knobs = {"ignore_sigterm": True, "fork_grandchild": True}
    async with open_client({"a": model(journal, knobs=knobs)}, unload_grace_s=0.3) as client:
        await client.chat("a")
        grandchild = int(client.written("grandchild")[0].split()[0].partition("=")[2])
        await client.post("/v1/models/a/unload")
        await client.until(lambda: client.instance("a").phase is Phase.COLD)
        assert client.orphans() == []
        assert not Path(f"/proc/{grandchild}").exists() or state_of(grandchild) == "Z"


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("stream", [True, False])
async def test_fault_12_and_14_a_client_that_leaves_cancels_the_engine(open_client, journal, stream):
    async with open_client({"a": model(journal, knobs={"tokens": 100, "tok_s": 0.1})}) as client:
        ask = client.stream if stream else client.chat
        waiting = asyncio.ensure_future(ask("a"))
        await client.until(lambda: client.written("begin"))
        waiting.cancel()
        await client.until(lambda: client.written("cancelled"))
        await client.until(lambda: not client.instance("a").in_flight)


@pytest.mark.parametrize("bad", ["json", "utf8", "text", "line", "gzip", "abort", "error"])
async def test_fault_22_a_stream_that_is_not_what_it_should_be_ends_as_an_error(open_client, journal, bad):
    async with open_client({"a": model(journal)}) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        status, said = await client.stream("a", {"bad_sse": bad, "tok_s": 0.05})
        assert b"[DONE]" not in said
        assert last_event(said)["error"]["type"] == "upstream_error"
        assert status == (502 if bad == "gzip" else 200)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
        assert (await client.chat("a"))[0] == 200


@pytest.mark.parametrize("bad", ["json", "abort"])
async def test_fault_22_a_whole_answer_that_is_broken_or_aborted_is_502(open_client, journal, bad):
    async with open_client({"a": model(journal)}) as client:
        status, body = await client.chat("a", {"bad_sse": bad})
        assert (status, body["error"]["type"]) == (502, "upstream_error")


async def test_fault_23_an_engine_that_answers_500_is_asked_as_often_as_configured(open_client, journal):
    async with open_client({"a": model(journal, attempts=3)}) as client:
        status, body = await client.chat("a", {"status": 500})
        assert (status, body["error"]["code"]) == (502, "engine_error")
        assert len(client.written("refused")) == 3


async def test_fault_23_a_long_retry_after_is_the_clients_to_wait(open_client, journal):
    async with open_client({"a": model(journal, attempts=3)}) as client:
        said = [{"role": "user", "content": json.dumps({"status": 503, "retry_after": 7})}]
        body = {"model": "a", "messages": said}
        async with client.http.post(f"{client.base}/v1/chat/completions", json=body) as response:
            assert (response.status, response.headers["retry-after"]) == (503, "7")
        assert len(client.written("refused")) == 1


async def test_fault_23_repeats_are_at_most_a_tenth_of_the_requests(open_client, journal):
    async with open_client({"a": model(journal, attempts=2)}) as client:
        for _ in range(30):
            await client.chat("a", {"status": 500})
        assert len(client.written("refused")) <= 30 + 10 + 3


async def test_an_engines_own_complaint_about_a_request_reaches_the_client(open_client, journal):
    async with open_client({"a": model(journal)}) as client:
        status, body = await client.chat("a", {"status": 422})
        assert (status, body["error"]["message"]) == (422, "told to fail")


async def test_sleeping_engines_are_woken_and_sleep_badly_only_once(open_client, journal):
    sleeper = model(journal, sleep_level=1)
    insomniac = model(journal, sleep_level=1, knobs={"sleep_broken": True})
    async with open_client({"a": sleeper, "b": insomniac}, max_loaded=1) as client:
        for name in "abab":
            assert (await client.chat(name))[0] == 200
        assert len(client.written("start", "a")) == 1, "a slept and was woken"
        assert len(client.written("start", "b")) == 2, "b failed the test of its sleep and is stopped instead"
        assert len(client.written("wake", "a")) >= 2


async def test_fault_15_a_client_that_takes_nothing_is_left_and_the_engine_freed(open_client, journal):
    knobs = {"tokens": 300_000, "tok_s": 0.0}
    async with open_client({"a": model(journal, knobs=knobs)}, between_tokens_s=0.5) as client:
        body = {"model": "a", "stream": True, "messages": [{"role": "user", "content": "x"}]}
        sent = json.dumps(body).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(sent)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", client.settings.ports.pool)) as taker:
            taker.sendall(head.encode() + sent)
            await client.until(lambda: client.instance("a").in_flight)
            await client.until(lambda: not client.instance("a").in_flight, within=60)
            await client.until(lambda: client.written("cancelled"))
        assert (await client.chat("a", {"tokens": 1}))[0] == 200
