"""The vLLM backend: what it needs here, the memory that it will take, how it is started and asked."""

import json
import os
from collections.abc import Iterator
from itertools import pairwise
from math import prod
from pathlib import Path

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.engines.threads import thread_environment
from servers.pool.upstream import openai
from servers.pool.upstream.backend import Endpoint, Launch, ManagedBackend, Reply, UpstreamRequest
from tools.clients.raw.connection import ConnectionPool
from tools.settings import Settings, handed_on

ENGINE_BYTES = 1_500 * 2**20
"""What a vLLM process takes besides weights and cache, measured on CPUs."""
GPU_SHARE = 0.95
"""At most this share of a device's memory is asked for."""
DEVICES = "CUDA_VISIBLE_DEVICES"
TENSOR_PARALLEL = ("--tensor-parallel-size", "-tp")
SPREAD = (
    TENSOR_PARALLEL,
    ("--pipeline-parallel-size", "-pp"),
    ("--data-parallel-size", "-dp"),
)
"""Arguments by which vLLM uses more GPUs than one, each with its short form; their product is how many."""
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes as `--max-lora-rank`."""
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
        self.engines = settings.pool.max_loaded
        self.connections = connections

    def missing(self, spec: ModelSpec) -> str | None:
        """vLLM's environment, the weights, or the adapter's."""
        if spec.command:
            return None
        if not os.access(self.python, os.X_OK):
            return f"vLLM's environment is missing: no {self.python} (build it with `make vllm`)"
        folder = self._folder(spec)
        if not (folder / "config.json").is_file():
            how = (
                f"get them with `capibara6 models pull {spec.engine}`"
                if spec.hub
                else f"put them there, or `capibara6 models add {spec.engine} SOURCE`"
            )
            return f"the weights are missing: no {folder}/config.json ({how})"
        if spec.adapter and adapter_rank(self.weights / spec.adapter) is None:
            file = self.weights / spec.adapter / "adapter_config.json"
            return f"the adapter's weights are missing: no {file} (put them there)"
        return None

    async def ask(self, spec: ModelSpec, endpoint: Endpoint, request: UpstreamRequest) -> Reply:
        """The engine's reply as it is."""
        url, body = endpoint.url + request.path, request.body_for(spec.id)
        return await openai.ask(self.connections, url, body, key=endpoint.key, stream=request.stream)

    def predicted_bytes(self, spec: ModelSpec) -> int:
        """As `predict`."""
        return predict(spec, self._folder(spec))

    def device_count(self, spec: ModelSpec) -> int:
        """As the function `device_count`."""
        return device_count(spec)

    def command(self, spec: ModelSpec, launch: Launch) -> list[str]:
        """As the function `command`."""
        return command(
            spec, python=self.python, folder=self._folder(spec), launch=launch, weights=self.weights
        )

    def environment(self, spec: ModelSpec, launch: Launch) -> dict[str, str]:
        """As the function `environment`."""
        return environment(spec, launch, engines=self.engines)

    def _folder(self, spec: ModelSpec) -> Path:
        return self.weights / (spec.weights or spec.engine)


def device_count(spec: ModelSpec) -> int:
    """How many GPUs a model is spread over: its `devices`, else what its arguments say, else one."""
    return len(spec.devices) or prod(_number(spec, names) for names in SPREAD)


def predict(spec: ModelSpec, folder: Path) -> int:
    """What a model will take of each device, in bytes: told by the catalogue, else weights on disk + cache +
    the engine, the first two shared by the devices."""
    if spec.memory_bytes is not None:
        return spec.memory_bytes
    if spec.command:
        return 0
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return -(-weights // device_count(spec)) + spec.kv_bytes + ENGINE_BYTES


def command(spec: ModelSpec, *, python: Path, folder: Path, launch: Launch, weights: Path) -> list[str]:
    """The program and its arguments. `weights` is where adapters lie.

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
    if len(launch.gpus) > 1 and all(_number(spec, names) == 1 for names in SPREAD):
        words += ["--tensor-parallel-size", str(len(launch.gpus))]
    if spec.sleep_level:
        words += ["--enable-sleep-mode"]
    return [*words, *_adapters(spec, weights), *spec.args]


def environment(spec: ModelSpec, launch: Launch, *, engines: int = 1) -> dict[str, str]:
    """What the engine's process sees; the launch's key guards its /v1 paths.

    It is pinned to the launch's GPUs, whose memory was measured, unless `env` of the catalogue chooses for
    itself. Without a GPU it gets the threads that `engines` engines at once leave each, unless the catalogue
    or the pool's own environment says how many.
    """
    developer = {"VLLM_SERVER_DEV_MODE": "1"} if spec.sleep_level else {}
    usual = {} if launch.gpus else thread_environment(engines)
    chosen = {"OMP_NUM_THREADS": str(spec.threads)} if spec.threads else {}
    if launch.gpus:
        chosen |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", DEVICES: ",".join(launch.gpus)}
    seen = {**usual, **handed_on(INHERITED), **QUIET, **developer, **chosen}
    return {**seen, "VLLM_API_KEY": launch.key, **spec.env}


def adapter_rank(folder: Path) -> int | None:
    """The rank of the LoRA adapter in a folder; None where there is none, or none that can be read."""
    try:
        rank = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["r"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return rank if isinstance(rank, int) and rank > 0 else None


def _adapters(spec: ModelSpec, weights: Path) -> Iterator[str]:
    """The arguments for those of a model's adapters that are on disk."""
    folders = {name: weights / adapter.weights for name, adapter in spec.adapters.items()}
    ranks = {name: rank for name, folder in folders.items() if (rank := adapter_rank(folder))}
    if ranks:
        most = max(ranks.values())
        yield from ("--enable-lora", "--max-loras", str(min(4, len(ranks))))
        yield from ("--max-lora-rank", str(next((rank for rank in RANKS if rank >= most), RANKS[-1])))
        yield from ("--lora-modules", *(f"{name}={folders[name]}" for name in ranks))


def _number(spec: ModelSpec, names: tuple[str, ...]) -> int:
    """The number that an argument of one of `names` has, `--name 2` or `--name=2`; 1 without it."""
    for word, following in pairwise((*spec.args, "")):
        flag, _, value = word.partition("=")
        if flag in names and (value or following).isdigit():
            return int(value or following)
    return 1
