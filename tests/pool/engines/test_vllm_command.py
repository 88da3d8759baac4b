"""How a vLLM engine is started, and the memory that it will take."""

from pathlib import Path

import pytest

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.engines import vllm
from servers.pool.engines.vllm import ENGINE_BYTES, predict
from servers.pool.upstream.backend import Launch

pytestmark = pytest.mark.pure


def command(spec: ModelSpec, **changes) -> list[str]:
    launch = Launch(1, "secret-key", "n", memory_bytes=10, gpu_bytes=None)._replace(**changes)
    return vllm.command(spec, python=Path("/p"), folder=Path("/w"), launch=launch)


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
    on_gpu = " ".join(command(spec, gpu_bytes=40))
    assert "--gpu-memory-utilization 0.250" in on_gpu and "--enforce-eager" not in on_gpu
    environment = vllm.environment(spec, "secret-key")
    assert environment["VLLM_API_KEY"] == "secret-key" and environment["A"] == "b"
    assert not any(name.startswith("CAPIBARA6") for name in environment)
    assert "secret-key" not in line
    asleep = ModelSpec(id="m", backend="vllm", weights="m", sleep_level=1)
    assert "--enable-sleep-mode" in command(asleep)
    assert vllm.environment(asleep, "k")["VLLM_SERVER_DEV_MODE"] == "1"


@pytest.mark.parametrize(
    ("spec", "device"),
    [
        (ModelSpec(id="m", backend="vllm", weights="m"), "1"),
        (ModelSpec(id="m", backend="vllm", weights="m", env={"CUDA_VISIBLE_DEVICES": "0,1"}), "0,1"),
        (ModelSpec(id="m", backend="vllm", weights="m", args=("--tensor-parallel-size", "2")), None),
        (ModelSpec(id="m", backend="vllm", weights="m", args=("--tensor-parallel-size=2",)), None),
    ],
)
def test_an_engine_is_pinned_to_the_gpu_that_was_measured(monkeypatch, spec, device):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert vllm.environment(spec, "k", 1).get("CUDA_VISIBLE_DEVICES") == device
    assert "CUDA_VISIBLE_DEVICES" not in vllm.environment(ModelSpec(id="m", backend="vllm", weights="m"), "k")


def test_memory_is_predicted_from_weights_cache_and_engine(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1000)
    spec = ModelSpec(id="m", backend="vllm", weights="m", kv_bytes=50)
    assert predict(spec, tmp_path) == 1050 + ENGINE_BYTES
    assert predict(ModelSpec(id="m", backend="vllm", weights="m", memory_bytes=7), tmp_path) == 7
