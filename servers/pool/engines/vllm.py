"""The vLLM backend: what it needs here, the memory that it will take, how it is started and asked."""

import os
from pathlib import Path

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.upstream import openai
from servers.pool.upstream.backend import Endpoint, Launch, ManagedBackend, Reply, UpstreamRequest
from tools.clients.raw.connection import ConnectionPool
from tools.settings import Settings, handed_on

ENGINE_BYTES = 1_500 * 2**20
"""What a vLLM process takes besides weights and cache, measured on CPUs."""
GPU_SHARE = 0.95
"""At most this share of a device's memory is asked for."""
DEVICES = "CUDA_VISIBLE_DEVICES"
SPREAD = (
    *("--tensor-parallel-size", "-tp", "--pipeline-parallel-size", "-pp", "--data-parallel-size", "-dp"),
    *("--enable-expert-parallel", "-ep"),
)
"""Arguments by which vLLM uses more GPUs than one."""
INHERITED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "HF_HOME", "XDG_CACHE_HOME", "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "OMP_NUM_THREADS",
)  # fmt: skip
"""What an engine may see of the pool's environment; keys and addresses stay out."""
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}


class Vllm(ManagedBackend):
    """vLLM from its own environment, or the program in the model's `command`."""

    name = "vllm"

    def __init__(self, settings: Settings, connections: ConnectionPool) -> None:
        self.python = settings.pool.vllm_python.absolute()
        self.weights = settings.pool.weights.absolute()
        self.connections = connections

    def missing(self, spec: ModelSpec) -> str | None:
        """vLLM's environment, or the weights."""
        if spec.command:
            return None
        if not os.access(self.python, os.X_OK):
            return f"vLLM's environment is missing: no {self.python} (build it with `make vllm`)"
        folder = self._folder(spec)
        if not (folder / "config.json").is_file():
            how = f"get them with `capibara6 models pull {spec.id}`"
            return f"the weights are missing: no {folder}/config.json ({how})"
        return None

    async def ask(self, spec: ModelSpec, endpoint: Endpoint, request: UpstreamRequest) -> Reply:
        """The engine's reply as it is."""
        url, body = endpoint.url + request.path, request.body_for(spec.id)
        return await openai.ask(self.connections, url, body, key=endpoint.key, stream=request.stream)

    def predicted_bytes(self, spec: ModelSpec) -> int:
        """As `predict`."""
        return predict(spec, self._folder(spec))

    def command(self, spec: ModelSpec, launch: Launch) -> list[str]:
        """As the function `command`."""
        return command(spec, python=self.python, folder=self._folder(spec), launch=launch)

    def environment(self, spec: ModelSpec, launch: Launch) -> dict[str, str]:
        """As the function `environment`."""
        return environment(spec, launch.key, launch.gpu)

    def _folder(self, spec: ModelSpec) -> Path:
        return self.weights / (spec.weights or spec.id)


def predict(spec: ModelSpec, folder: Path) -> int:
    """What a model will take, in bytes: told by the catalogue, else weights on disk + cache + the engine."""
    if spec.memory_bytes is not None:
        return spec.memory_bytes
    if spec.command:
        return 0
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return weights + spec.kv_bytes + ENGINE_BYTES


def command(spec: ModelSpec, *, python: Path, folder: Path, launch: Launch) -> list[str]:
    """The program and its arguments.

    The nonce is served as a second model name: whoever answers on the port proves by it that it is ours.
    """
    port, nonce = str(launch.port), launch.nonce
    if spec.command:
        known = {"python": str(python), "port": port, "model": str(folder), "name": spec.id, "nonce": nonce}
        return [part.format_map(known) for part in (*spec.command, *spec.args)]
    words = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    words += ["--served-model-name", spec.id, nonce, "--host", "127.0.0.1", "--port", port]
    words += ["--kv-cache-memory-bytes", str(spec.kv_bytes)]
    if "--load-format" not in spec.args:
        words += ["--load-format", "safetensors"]
    if launch.gpu_bytes is None:
        words += ["--enforce-eager"]
    else:
        # vLLM refuses to start when less than this share of the device is free; others live there too.
        share = min(GPU_SHARE, launch.memory_bytes / launch.gpu_bytes)
        words += ["--gpu-memory-utilization", f"{share:.3f}"]
    if spec.sleep_level:
        words += ["--enable-sleep-mode"]
    return [*words, *spec.args]


def environment(spec: ModelSpec, key: str, gpu: int | None = None) -> dict[str, str]:
    """What the engine's process sees; `key` guards its /v1 paths.

    It is pinned to `gpu`, the one whose memory was measured, unless the catalogue chooses for itself: by
    `CUDA_VISIBLE_DEVICES` in `env`, or by arguments that spread a model over several.
    """
    developer = {"VLLM_SERVER_DEV_MODE": "1"} if spec.sleep_level else {}
    spread = any(arg.partition("=")[0] in SPREAD for arg in spec.args)
    pinned = {} if gpu is None or spread else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", DEVICES: str(gpu)}
    return {**handed_on(INHERITED), **QUIET, **developer, **pinned, "VLLM_API_KEY": key, **spec.env}
