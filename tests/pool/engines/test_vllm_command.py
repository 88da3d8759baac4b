"""How a vLLM engine is started, and the memory that it will take."""

import json
from pathlib import Path

import pytest

from servers.pool.catalog.catalog import Adapter, ModelSpec
from servers.pool.engines import threads, vllm
from servers.pool.engines.vllm import ENGINE_BYTES, predict
from servers.pool.upstream.backend import Launch

pytestmark = pytest.mark.pure

LAUNCH = Launch(1, "secret-key", "n", memory_bytes=10, gpu_bytes=None)


def spec(**fields) -> ModelSpec:
    return ModelSpec(id="m", backend="vllm", weights="m", **fields)


def command(model: ModelSpec, weights: Path = Path("/weights"), **changes) -> list[str]:
    launch = LAUNCH._replace(**changes)
    return vllm.command(model, python=Path("/p"), folder=Path("/w"), launch=launch, weights=weights)


def test_an_engine_is_started_on_loopback_with_its_nonce_and_safe_weights_only():
    model = spec(args=("--max-model-len", "5"), env={"A": "b"})
    line = " ".join(command(model))
    assert (
        "--host 127.0.0.1" in line
        and "--served-model-name m n" in line
        and line.endswith("--max-model-len 5")
    )
    assert (
        "--load-format safetensors" in line and "trust-remote-code" not in line and "--enforce-eager" in line
    )
    on_gpu = " ".join(command(model, gpu_bytes=40))
    assert "--gpu-memory-utilization 0.250" in on_gpu and "--enforce-eager" not in on_gpu
    environment = vllm.environment(model, LAUNCH)
    assert environment["VLLM_API_KEY"] == "secret-key" and environment["A"] == "b"
    assert not any(name.startswith("CAPIBARA6") for name in environment)
    assert "secret-key" not in line
    asleep = spec(sleep_level=1)
    assert "--enable-sleep-mode" in command(asleep)
    assert vllm.environment(asleep, LAUNCH)["VLLM_SERVER_DEV_MODE"] == "1"


@pytest.mark.parametrize(
    ("model", "gpus", "seen"),
    [
        (spec(), ("1",), "1"),
        (spec(), ("MIG-7a",), "MIG-7a"),
        (spec(env={"CUDA_VISIBLE_DEVICES": "0,1"}), ("1",), "0,1"),
        (spec(devices=("2", "3")), ("2", "3"), "2,3"),
        (spec(), (), None),
    ],
)
def test_an_engine_is_pinned_to_the_gpus_that_were_measured(monkeypatch, model, gpus, seen):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    environment = vllm.environment(model, LAUNCH._replace(gpus=gpus))
    assert environment.get("CUDA_VISIBLE_DEVICES") == seen


def test_named_gpus_are_used_in_tensor_parallel_unless_the_arguments_say_how():
    named = {"gpus": ("0", "1"), "gpu_bytes": 40}
    assert "--tensor-parallel-size 2" in " ".join(command(spec(devices=("0", "1")), **named))
    for args in (("--pipeline-parallel-size", "2"), ("-tp=2",)):
        line = command(spec(devices=("0", "1"), args=args), **named)
        assert "--tensor-parallel-size" not in line
    assert "--tensor-parallel-size" not in command(spec(), gpus=("0",), gpu_bytes=40)


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (spec(), 1),
        (spec(devices=("0", "1")), 2),
        (spec(args=("--tensor-parallel-size", "2")), 2),
        (spec(args=("-tp=2", "--pipeline-parallel-size", "3")), 6),
    ],
)
def test_the_gpus_of_a_spread_model_share_its_weights(tmp_path, model, count):
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1200)
    assert vllm.device_count(model) == count
    assert predict(model, tmp_path) == 1200 // count + model.kv_bytes + ENGINE_BYTES


def test_memory_is_predicted_from_weights_cache_and_engine(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1000)
    assert predict(spec(kv_bytes=50), tmp_path) == 1050 + ENGINE_BYTES
    assert predict(spec(memory_bytes=7), tmp_path) == 7


def test_engines_on_a_cpu_share_its_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 8)

    def number(model: ModelSpec, **changes) -> str | None:
        return vllm.environment(model, LAUNCH._replace(**changes), engines=3).get("OMP_NUM_THREADS")

    assert (number(spec()), number(spec(threads=5)), number(spec(), gpus=("0",))) == ("2", "5", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert (number(spec()), number(spec(threads=5))) == ("7", "5")


def test_adapters_that_are_on_disk_are_served_under_their_names(tmp_path):
    (tmp_path / "legal").mkdir()
    (tmp_path / "legal/adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 24}))
    model = spec(adapters={"legal": Adapter(weights="legal"), "gone": Adapter(weights="gone")})
    line = " ".join(command(model, tmp_path))
    assert f"--lora-modules legal={tmp_path}/legal" in line and "gone" not in line
    assert "--enable-lora" in line and "--max-lora-rank 32" in line
    assert "--enable-lora" not in command(spec(), tmp_path)
