"""The pool's smaller parts, each alone: events, circuit, patience, command line, prediction, translation."""

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.engines import process, sockets, vllm
from servers.pool.engines.memory import ENGINE_BYTES, Memory, predict
from servers.pool.http import validation
from servers.pool.http.ollama import requests
from servers.pool.upstream.circuit_breaker import OPENS_AFTER, Budget, CircuitBreaker
from servers.pool.upstream.deadline import Deadline
from servers.pool.upstream.ollama_translate import to_native
from servers.pool.upstream.replicas import Replicas
from servers.pool.upstream.sse import EVENT_BYTES, Reader
from tests.pool.http.test_fault_door import body
from tests.pool.world import until
from tools.errors import BadRequest, Capibara6Error, Unavailable, UpstreamFailed

STREAM = (
    b': hello\r\n\r\ndata: {"choices":[{"delta":{"content":"\xc3\xb1"}}]}\n\n'
    b'event: x\ndata: {"choices":[],"usage":{"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)


def read(pieces: list[bytes]) -> tuple[bytes, Reader]:
    reader = Reader()
    said = b"".join(reader.feed(piece) for piece in pieces)
    reader.close()
    return said, reader


def test_a_stream_reads_the_same_however_it_is_cut():
    whole, _ = read([STREAM])
    for cut in range(1, len(STREAM)):
        said, reader = read([STREAM[:cut], STREAM[cut:]])
        assert said.replace(b"\r", b"") == whole.replace(b"\r", b""), f"cut at {cut}"
        assert reader.done and reader.usage == {"completion_tokens": 2} and reader.events == 2
    read([STREAM[place : place + 1] for place in range(len(STREAM))])


@pytest.mark.parametrize(
    "said",
    [b"data: {}\n\n", b"", b'data: {"error":"x"}\n\n', b"data: 5\n\n", b"nonsense\n\n", b"data: [1]\n\n"],
)
def test_a_stream_that_is_wrong_or_ends_early_is_a_failure(said):
    with pytest.raises(UpstreamFailed):
        read([said])


def test_an_event_without_end_is_a_failure_before_it_fills_the_memory():
    reader = Reader()
    with pytest.raises(UpstreamFailed):
        for _ in range(3 * EVENT_BYTES // 2**16):
            reader.feed(b"x" * 2**16)


def test_a_circuit_opens_after_failures_and_lets_one_try_through():
    breaker = CircuitBreaker()
    for _ in range(OPENS_AFTER):
        assert breaker.closed(0.0)
        breaker.failed(0.0, "sick")
    assert not breaker.closed(1.0)
    assert breaker.closed(6.0) and not breaker.closed(6.1), "one request tries, the next waits"
    breaker.succeeded()
    assert breaker.closed(6.2)


def test_when_every_circuit_is_open_the_wait_is_told():
    replicas = Replicas(["http://a/v1", "http://b"])
    for replica in replicas.all:
        for _ in range(OPENS_AFTER):
            replica.breaker.failed(0.0, "sick")
    with pytest.raises(Unavailable, match="sick") as caught:
        replicas.choose(0.0)
    assert caught.value.retry_after == 5
    assert [replica.url for replica in replicas.all] == ["http://a", "http://b"]


def test_repeats_are_bought_with_requests():
    budget = Budget()
    assert sum(budget.spend() for _ in range(50)) == 10
    for _ in range(21):
        budget.earn()
    assert [budget.spend() for _ in range(3)] == [True, True, False]


async def test_patience_runs_out_only_when_nothing_renews_it():
    with Deadline(0.0, polled=True) as patience:
        patience.renew(60)
        patience.look()
        await asyncio.sleep(0)
    assert not patience.ran_out
    with pytest.raises(TimeoutError), Deadline(60.0) as patience:
        patience.renew(0.05)
        await asyncio.sleep(60)


async def test_patience_leaves_other_cancellations_alone():
    async def wait() -> None:
        with Deadline(60.0):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def command(spec: ModelSpec, **changes) -> list[str]:
    given = {
        "python": Path("/p"),
        "folder": Path("/w"),
        "port": 1,
        "nonce": "n",
        "need": 10,
        "gpu": None,
        **changes,
    }
    return vllm.command(spec, **{**given, **changes})


def test_an_engine_is_started_on_loopback_with_its_nonce_and_safe_weights_only():
    spec = ModelSpec(id="m", backend="vllm", weights="m", args=("--max-model-len", "5"), env={"A": "b"})
    line = " ".join(command(spec))
    assert (
        "--host 127.0.0.1" in line
        and "--served-model-name m n" in line
        and line.endswith("--max-model-len 5")
    )
    assert (
        "--load-format safetensors" in line and "trust-remote-code" not in line and "--enforce-eager" in line
    )
    on_gpu = " ".join(command(spec, gpu=40))
    assert "--gpu-memory-utilization 0.250" in on_gpu and "--enforce-eager" not in on_gpu
    environment = vllm.environment(spec, "secret-key")
    assert environment["VLLM_API_KEY"] == "secret-key" and environment["A"] == "b"
    assert not any(name.startswith("CAPIBARA6") for name in environment)
    assert "secret-key" not in line
    asleep = ModelSpec(id="m", backend="vllm", weights="m", sleep_level=1)
    assert "--enable-sleep-mode" in command(asleep)
    assert vllm.environment(asleep, "k")["VLLM_SERVER_DEV_MODE"] == "1"


def test_memory_is_predicted_from_weights_cache_and_engine(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1000)
    spec = ModelSpec(id="m", backend="vllm", weights="m", kv_bytes=50)
    assert predict(spec, tmp_path) == 1050 + ENGINE_BYTES
    assert predict(ModelSpec(id="m", backend="vllm", weights="m", memory_bytes=7), tmp_path) == 7


async def test_free_memory_is_known_with_or_without_a_gpu(monkeypatch, tmp_path):
    memory = Memory()
    await memory.look()
    assert (free := memory.free()) is None or free > 0
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho '1000, 4000'\necho '3000, 4000'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    await memory.look()
    assert (memory.free(), memory.gpu_total) == (3000 * 2**20, 4000 * 2**20)


async def test_a_program_that_does_not_exist_is_an_error_and_no_orphan(tmp_path):
    log = tmp_path / "log"
    running = process.spawn(["/nowhere/at/all"], env={}, nonce="nonce-x", owner="o", log=log)
    async with asyncio.timeout(60):
        assert await running.exit != 0
    assert "No such file" in running.last_words()
    await running.end(0.1)
    assert process.find("nonce-x", group=running.pid) == []


async def test_a_killed_engine_leaves_no_socket_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    bind = f"import os, time; open(os.environ['{process.SOCKETS}'] + '/s', 'w'); time.sleep(600)"
    for how in ("ended", "left behind"):
        log = tmp_path / "log"
        running = process.spawn([sys.executable, "-c", bind], env={}, nonce=how, owner="o", log=log)
        await until(lambda: list(tmp_path.glob("capibara6-*/s")))
        if how == "left behind":
            os.killpg(running.pid, signal.SIGKILL)
            sockets.sweep("another pool")
            assert list(tmp_path.glob("capibara6-*/s"))
            sockets.sweep("o")
        else:
            await running.end(0.0)
        assert not list(tmp_path.glob("capibara6-*"))
        await running.end(0.0)


def test_no_request_however_odd_breaks_the_translation_to_ollama():
    for seed in range(3000):
        source = random.Random(seed)
        try:
            request = validation.chat(validation.parse(body(source)))
        except BadRequest:
            continue
        path, native = to_native("/v1/chat/completions", request, "tag")
        assert path == "/api/chat" and native["model"] == "tag", f"seed {seed}"
        json.dumps(native)


def test_ollamas_words_become_openais():
    options = {"num_predict": -1, "temperature": 0.5, "repeat_penalty": 1.1, "mirostat": 2}
    given = {"model": "a:latest", "prompt": "x", "system": "s", "stream": False, "format": "json"}
    given["options"] = options
    path, made = requests.generate(given)
    assert path == "/v1/chat/completions" and made["model"] == "a"
    assert made["messages"][0] == {"role": "system", "content": "s"}
    assert (made["temperature"], made["repetition_penalty"]) == (0.5, 1.1)
    assert "max_tokens" not in made and made["response_format"] == {"type": "json_object"}
    assert requests.generate({"model": "a", "prompt": "x", "raw": True})[0] == "/v1/completions"
    schema = requests.chat({"model": "a", "messages": [], "format": {"type": "object"}})
    assert schema["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("said", "seconds"), [("5m", 300.0), (10, 10.0), ("1.5h", 5400.0), (0, 0.0), (None, None), ("300ms", 0.3)]
)
def test_keep_alive_is_read_in_all_its_spellings(said, seconds):
    assert requests.keep_alive({"keep_alive": said}) == seconds
    assert (requests.keep_alive({"keep_alive": -1}) or 0) > 10**8


@pytest.mark.parametrize("said", ["soon", [], True, "5 minutes"])
def test_a_keep_alive_that_means_nothing_is_refused(said):
    with pytest.raises(Capibara6Error):
        requests.keep_alive({"keep_alive": said})
